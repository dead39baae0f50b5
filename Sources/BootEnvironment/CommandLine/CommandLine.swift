// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
internal import Messages

/// The kernel command line of a UKI, and which file each word comes from.
///
/// The base is `/etc/kernel/cmdline`, which Proxmox and systemd also use. Without that file it is the command line of
/// the running kernel, without the words that the boot loader added. The fragments `/etc/kernel/cmdline.d/*.conf`
/// follow in byte order of their names. For kernel K, `/etc/kernel/cmdline-K` replaces all of them.
package struct CommandLine: Hashable, Sendable {
  /// The words of one file.
  package struct Part: Hashable, Sendable {
    package let path: String
    /// One line without control characters and without white space at its ends; empty only if the file is empty.
    package let text: String

    package init(path: String, text: String) {
      self.path = path
      self.text = text
    }
  }

  /// In the order of the words; without empty parts.
  package let parts: [Part]

  package init(parts: [Part]) { self.parts = parts.filter { !$0.text.isEmpty } }

  /// The line; not empty if it was read from files.
  package var text: String { parts.map(\.text).joined(separator: " ") }
  package var words: [CommandLineWord] { CommandLineWord.split(text) }
  /// The file of the first word, or the one to create.
  package var path: String { parts.first?.path ?? Self.filePath }

  package static let filePath = "/etc/kernel/cmdline"
  package static let fragmentDirectory = "/etc/kernel/cmdline.d"
  package static let runningPath = "/proc/cmdline"
  package static func overridePath(of kernel: Kernel) -> String { "\(overridePrefix)\(kernel.release)" }
  static let overridePrefix = "\(filePath)-"

  /// Reads the command line for kernels without an override.
  ///
  /// Throws `BootEnvironmentError` if there is none or a file is invalid, `HostError` if a file cannot be read.
  package init(of files: FileSystem) throws {
    let fragments = try Self.fragments(of: files)
    self.init(parts: [try Self.base(of: files, fragments)] + fragments)
  }

  /// Reads the command line for one kernel.
  ///
  /// Throws like `init(of:)`.
  package init(of files: FileSystem, for kernel: Kernel) throws {
    if let override = try Self.override(for: kernel, in: files) {
      self.init(parts: [override])
    } else {
      try self.init(of: files)
    }
  }
}

extension CommandLine {
  private static let sizeLimit = 1 << 16
  static let hint: Message = "write the command line to \(filePath), for example: root=/dev/mapper/pve-root ro"

  /// The base: the file, or the command line of the running kernel.
  ///
  /// Throws like `init(of:)`.
  package static func base(of files: FileSystem) throws -> Part { try base(of: files, fragments(of: files)) }

  static func base(of files: FileSystem, _ fragments: [Part]) throws -> Part {
    if let part = try part(filePath, of: files) {
      guard !part.text.isEmpty else { throw BootEnvironmentError(filePath, "it contains no command line", hint: hint) }
      return part
    }
    guard let running = try running(in: files) else {
      throw BootEnvironmentError(filePath, "neither this file nor \(runningPath) exists", hint: hint)
    }
    // The running command line already contains the fragments; without this, each boot would add them again.
    let further = Set(fragments.flatMap { CommandLineWord.split($0.text).map(\.text) })
    let words = CommandLineWord.split(running).map(\.text).filter { !further.contains($0) }
    guard !words.isEmpty else {
      throw BootEnvironmentError(
        runningPath, "empty apart from BOOT_IMAGE=, initrd= and cmdline.d", hint: hint)
    }
    return Part(path: runningPath, text: words.joined(separator: " "))
  }

  /// The fragments `cmdline.d/*.conf` in byte order; hidden files and other names are ignored.
  ///
  /// Throws like `init(of:)`.
  package static func fragments(of files: FileSystem) throws -> [Part] {
    let names = try files.list(fragmentDirectory) ?? []
    return try names.filter { $0.hasSuffix(".conf") && !$0.hasPrefix(".") }.compactMap { name in
      try part("\(fragmentDirectory)/\(name)", of: files)
    }
  }

  /// The override for the kernel; nil if it has none.
  ///
  /// Throws like `init(of:)`.
  package static func override(for kernel: Kernel, in files: FileSystem) throws -> Part? {
    let path = overridePath(of: kernel)
    guard let part = try part(path, of: files) else { return nil }
    guard !part.text.isEmpty else {
      throw BootEnvironmentError(
        path, "it contains no command line", hint: "add a command line, or remove the file to use \(filePath)")
    }
    return part
  }

  /// Kernels that have an override, installed or not, in byte order.
  ///
  /// Throws `HostError`.
  package static func overriddenKernels(in files: FileSystem) throws -> [Kernel] {
    let (directory, prefix) = ("/etc/kernel", "cmdline-")
    return try (files.list(directory) ?? []).filter { $0.hasPrefix(prefix) }.compactMap {
      Kernel(release: $0.dropFirst(prefix.count))
    }
  }

  /// The command line of the running kernel without `BOOT_IMAGE=` and `initrd=`, which boot loaders add, and without
  /// the words for a trial.
  ///
  /// Nil if `/proc/cmdline` does not exist. Throws `BootEnvironmentError` or `HostError`.
  package static func running(in files: FileSystem) throws -> String? {
    guard let content = try files.readFileIfPresent(runningPath, limit: sizeLimit) else { return nil }
    let words = BootProfile.withoutGuards(CommandLineWord.split(try checked(content, path: runningPath)))
    return words.filter { $0.name != "BOOT_IMAGE" && $0.name != "initrd" }.map(\.text).joined(separator: " ")
  }

  private static func part(_ path: String, of files: FileSystem) throws -> Part? {
    guard let content = try files.readFileIfPresent(path, limit: sizeLimit) else { return nil }
    return try part(path, content)
  }

  /// The command line in a file: blank lines and lines that start with `#` are ignored, the others joined by a space.
  ///
  /// proxmox-boot-tool reads only the first line, but silently ignoring a second one would be worse. Throws
  /// `BootEnvironmentError` if the content is invalid.
  package static func part(_ path: String, _ content: [UInt8]) throws -> Part {
    let lines = try checked(content, path: path).split(separator: "\n").map(trimmed)
    let text = lines.filter { !$0.isEmpty && $0.utf8.first != UInt8(ascii: "#") }.joined(separator: " ")
    if let problem = CommandLineText.problem(in: text) {
      throw BootEnvironmentError(path, problem.detail, hint: "write it as plain text")
    }
    return Part(path: path, text: text)
  }

  /// Rejects control characters: they would end the line for the stub or the kernel, or change how a terminal shows it.
  private static func checked(_ content: [UInt8], path: String) throws -> String {
    var line = 1
    for byte in content {
      if byte == 0x0a { line += 1 }
      guard byte != 0x0a, let name = CommandLineText.controlName(byte) else { continue }
      throw BootEnvironmentError(
        path, line: line, "contains \(name)",
        hint: byte == 0x0d ? "remove it with: sed -i 's/\\r$//' \(path)" : "write it as plain text")
    }
    let text = String(decoding: content, as: UTF8.self)
    guard text.utf8.elementsEqual(content) else {
      throw BootEnvironmentError(path, "not UTF-8 text", hint: "write it as plain text")
    }
    return text
  }

  package static func trimmed(_ line: some StringProtocol) -> String {
    let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
    let bytes = line.utf8.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// The command lines of a host's kernels, read once.
///
/// An error in an override affects only its kernel.
package struct CommandLines: Sendable {
  private let common: Result<CommandLine, any Error>
  private let own: [Kernel: Result<CommandLine, any Error>]
  private let further: [CommandLine.Part]

  /// Reads the command lines for `kernels`; all of them end with the words in `further`.
  ///
  /// Throws like `CommandLine.init(of:)` if all kernels need the common line and it cannot be read.
  package init(of files: FileSystem, for kernels: [Kernel], adding further: [CommandLine.Part] = []) throws {
    self.further = further
    var own: [Kernel: Result<CommandLine, any Error>] = [:]
    for kernel in kernels {
      let override = Result { try CommandLine.override(for: kernel, in: files) }
      switch override {
      case .success(nil): break
      case .success(let part?): own[kernel] = .success(CommandLine(parts: [part]))
      case .failure(let error): own[kernel] = .failure(error)
      }
    }
    self.own = own
    common = Result { try CommandLine(of: files) }
    if own.isEmpty, !kernels.isEmpty { _ = try common.get() }
  }

  /// The command line of a kernel; throws the error that occurred when it was read.
  package func line(for kernel: Kernel) throws -> CommandLine {
    CommandLine(parts: try (own[kernel] ?? common).get().parts + further)
  }

  /// All distinct command lines that could be read, in the order of `kernels`.
  package func lines(for kernels: [Kernel]) -> [CommandLine] {
    var lines: [CommandLine] = []
    for kernel in kernels {
      if let line = try? line(for: kernel), !lines.contains(line) { lines.append(line) }
    }
    return lines
  }
}
