// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// One parameter of a command line, as the kernel reads it (Documentation/admin-guide/kernel-parameters.rst and
/// `next_arg` there): white space within double quotes does not end it, and nothing escapes a quotation mark.
package struct CommandLineWord: Hashable, Sendable {
  /// As it stands in the line, quotation marks and all.
  package let text: String
  /// The parameter's name, with underscores for hyphens: the kernel makes no difference.
  package let name: String
  /// What follows the first `=`, without the quotation marks around it; nil without one.
  package let value: String?

  init(_ text: String) {
    self.text = text
    var bytes = Array(text.utf8)[...]
    let mark = UInt8(ascii: "\"")
    let isQuoted = bytes.first == mark
    if isQuoted { bytes = bytes.dropFirst() }
    let hasClosingMark = bytes.last == mark
    // One at the very beginning is no separator.
    guard let equals = bytes.dropFirst().firstIndex(of: UInt8(ascii: "=")) else {
      name = Self.name(isQuoted && hasClosingMark ? bytes.dropLast() : bytes)
      value = nil
      return
    }
    var content = bytes[(equals + 1)...]
    if content.first == mark {
      content = content.dropFirst()
      if content.last == mark { content = content.dropLast() }
    } else if isQuoted, content.last == mark {
      content = content.dropLast()
    }
    name = Self.name(bytes[..<equals])
    value = String(decoding: content, as: UTF8.self)
  }

  /// The words of a line. White space is what it is in C; the kernel counts byte 0xa0 too, which
  /// `CommandLineRules` refuses.
  package static func split(_ line: String) -> [CommandLineWord] {
    var isQuoted = false
    let words = line.utf8.split { byte in
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      return !isQuoted && (byte == 0x20 || 0x09...0x0d ~= byte)
    }
    return words.map { CommandLineWord(String(decoding: $0, as: UTF8.self)) }
  }

  private static func name(_ bytes: ArraySlice<UInt8>) -> String {
    let hyphen = UInt8(ascii: "-")
    return String(decoding: bytes.map { $0 == hyphen ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
  }
}
