// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
internal import Messages

extension CommandLine {
  private static let sizeLimit = 1 << 16
  static let hint: Message = "write the command line into \(filePath), for example: root=/dev/mapper/pve-root ro"

  /// The base: the file, else what the running kernel was started with. Throws as `init(of:)`.
  package static func base(of files: FileSystem) throws -> Part { try base(of: files, fragments(of: files)) }

  static func base(of files: FileSystem, _ fragments: [Part]) throws -> Part {
    if let part = try part(filePath, of: files) {
      guard !part.text.isEmpty else { throw BootEnvironmentError(filePath, "it holds no command line", hint: hint) }
      return part
    }
    guard let running = try running(in: files) else {
      throw BootEnvironmentError(filePath, "there is no such file, nor \(runningPath)", hint: hint)
    }
    // An image that was booted has the fragments in its line already; else they would be one more with each boot.
    let further = Set(fragments.flatMap { CommandLineWord.split($0.text).map(\.text) })
    let words = CommandLineWord.split(running).map(\.text).filter { !further.contains($0) }
    guard !words.isEmpty else {
      throw BootEnvironmentError(runningPath, "the running kernel has no command line of its own", hint: hint)
    }
    return Part(path: runningPath, text: words.joined(separator: " "))
  }

  /// `cmdline.d/*.conf` in byte order; hidden files and other names are none. Throws as `init(of:)`.
  package static func fragments(of files: FileSystem) throws -> [Part] {
    let names = try files.list(fragmentDirectory) ?? []
    return try names.filter { $0.hasSuffix(".conf") && !$0.hasPrefix(".") }.compactMap { name in
      try part("\(fragmentDirectory)/\(name)", of: files)
    }
  }

  /// The kernel's own line; nil if it has none. Throws as `init(of:)`.
  package static func override(for kernel: Kernel, in files: FileSystem) throws -> Part? {
    let path = overridePath(of: kernel)
    guard let part = try part(path, of: files) else { return nil }
    guard !part.text.isEmpty else {
      throw BootEnvironmentError(
        path, "it holds no command line", hint: "write one into it, or remove it so that \(filePath) counts")
    }
    return part
  }

  /// Kernels that have a file with a line of their own, installed or not, in byte order.
  package static func overriddenKernels(in files: FileSystem) throws -> [Kernel] {
    let (directory, prefix) = ("/etc/kernel", "cmdline-")
    return try (files.list(directory) ?? []).filter { $0.hasPrefix(prefix) }.compactMap {
      Kernel(release: $0.dropFirst(prefix.count))
    }
  }

  /// What the running kernel was started with, less `BOOT_IMAGE=` and `initrd=`, a boot loader's words to itself and to
  /// the kernel it starts. Nil where /proc does not say it.
  package static func running(in files: FileSystem) throws -> String? {
    guard let content = try files.readFileIfPresent(runningPath, limit: sizeLimit) else { return nil }
    let words = CommandLineWord.split(try checked(content, path: runningPath))
    return words.filter { $0.name != "BOOT_IMAGE" && $0.name != "initrd" }.map(\.text).joined(separator: " ")
  }

  private static func part(_ path: String, of files: FileSystem) throws -> Part? {
    guard let content = try files.readFileIfPresent(path, limit: sizeLimit) else { return nil }
    return try part(path, content)
  }

  /// The line that a file of that content stands for: lines that begin with `#` and blank lines do not count, and the
  /// others are joined by a space. (proxmox-boot-tool reads the first line only; a second line that is silently without
  /// effect would be worse.) Throws `BootEnvironmentError` if it holds what cannot be in one.
  package static func part(_ path: String, _ content: [UInt8]) throws -> Part {
    let lines = try checked(content, path: path).split(separator: "\n").map(trimmed)
    let text = lines.filter { !$0.isEmpty && $0.first != "#" }.joined(separator: " ")
    return Part(path: path, text: text)
  }

  /// The content as text. A control character would end the line for the stub or the kernel, or change what a
  /// terminal shows of it.
  private static func checked(_ content: [UInt8], path: String) throws -> String {
    var line = 1
    for byte in content {
      if byte == 0x0a { line += 1 }
      guard byte != 0x0a, let name = controlName(byte) else { continue }
      throw BootEnvironmentError(path, line: line, "it holds \(name)", hint: "write it as plain text")
    }
    let text = String(decoding: content, as: UTF8.self)
    guard text.utf8.elementsEqual(content) else {
      throw BootEnvironmentError(path, "it is not UTF-8 text", hint: "write it as plain text")
    }
    return text
  }

  /// What a byte is called that no line can hold; nil for the others.
  static func controlName(_ byte: UInt8) -> Message? {
    switch byte {
    case 0: "a NUL byte"
    case 0x0a: "a line break"
    case 0x09: nil
    case 0..<0x20, 0x7f: "the control character \(byte)"
    default: nil
    }
  }

  package static func trimmed(_ line: some StringProtocol) -> String {
    let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
    let bytes = line.utf8.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
    return String(decoding: bytes, as: UTF8.self)
  }
}
