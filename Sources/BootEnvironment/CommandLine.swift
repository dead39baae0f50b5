// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem

/// The kernel command line that goes into images.
///
/// It stands in `/etc/kernel/cmdline`, where Proxmox and systemd have it too; without that file the running kernel's
/// line is taken, without what a boot loader put into it. In the file, lines that begin with `#` and blank lines do
/// not count and the others are joined by a space. (proxmox-boot-tool reads the first line only; a second line that
/// is silently without effect would be worse.)
package struct CommandLine: Hashable, Sendable {
  /// One line without a line feed, control character or space at either end; never empty.
  package let text: String
  /// Where it comes from.
  package let path: String

  package static let filePath = "/etc/kernel/cmdline"
  package static let runningPath = "/proc/cmdline"
  private static let sizeLimit = 1 << 16

  /// Reads the line that counts. Throws `BootEnvironmentError` if there is none or it cannot be one, `HostError` if
  /// a file cannot be read.
  package init(of files: FileSystem) throws {
    if let content = try files.readFileIfPresent(Self.filePath, limit: Self.sizeLimit) {
      text = try Self.join(content)
      path = Self.filePath
    } else if let content = try files.readFileIfPresent(Self.runningPath, limit: Self.sizeLimit) {
      text = try Self.withoutLoaderWords(content)
      path = Self.runningPath
    } else {
      throw BootEnvironmentError(Self.filePath, "there is no such file, nor \(Self.runningPath)", hint: Self.hint)
    }
  }

  /// Whether the line names a root file system, without which most initrds stop.
  package var namesRoot: Bool { Self.words(text[...]).contains { $0.hasPrefix("root=") } }

  private static let hint = "write the command line into \(filePath), for example: root=/dev/mapper/pve-root ro"

  private static func join(_ content: [UInt8]) throws -> String {
    var parts: [Substring] = []
    let lines = try checked(content, path: filePath).split(separator: "\n", omittingEmptySubsequences: false)
    for line in lines {
      let text = trimmed(line)
      if !text.isEmpty, text.first != "#" { parts.append(text) }
    }
    guard !parts.isEmpty else { throw BootEnvironmentError(filePath, "it holds no command line", hint: hint) }
    return parts.joined(separator: " ")
  }

  /// `BOOT_IMAGE=` and `initrd=` are a boot loader's words to itself and to the kernel it starts.
  private static func withoutLoaderWords(_ content: [UInt8]) throws -> String {
    let line = try checked(content, path: runningPath)
    let kept = words(line[...]).filter { !$0.hasPrefix("BOOT_IMAGE=") && !$0.hasPrefix("initrd=") }
    guard !kept.isEmpty else {
      throw BootEnvironmentError(runningPath, "the running kernel has no command line of its own", hint: hint)
    }
    return kept.joined(separator: " ")
  }

  /// The words as the kernel splits them: white space inside double quotes does not count.
  private static func words(_ line: Substring) -> [Substring] {
    var isQuoted = false
    return line.split { character in
      if character == "\"" { isQuoted.toggle() }
      return !isQuoted && (character == " " || character == "\t" || character == "\n")
    }
  }

  /// The content as text. A control character would end the line for the stub or the kernel, or change what a
  /// terminal shows of it.
  private static func checked(_ content: [UInt8], path: String) throws -> String {
    var line = 1
    for byte in content {
      if byte == 0x0a { line += 1 }
      let isAllowed = byte >= 0x20 && byte != 0x7f || byte == 0x09 || byte == 0x0a
      guard isAllowed else {
        let what = byte == 0 ? "a NUL byte" : "the control character \(byte)"
        throw BootEnvironmentError(path, line: line, "it holds \(what)", hint: "write it as plain text")
      }
    }
    let text = String(decoding: content, as: UTF8.self)
    guard text.utf8.elementsEqual(content) else {
      throw BootEnvironmentError(path, "it is not UTF-8 text", hint: "write it as plain text")
    }
    return text
  }

  private static func trimmed(_ line: Substring) -> Substring {
    let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    var text = line.drop(while: isBlank)
    while let last = text.last, isBlank(last) { text.removeLast() }
    return text
  }
}
