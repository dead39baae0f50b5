// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A word of a shell's command, unquoted (POSIX.1-2017, Shell Command Language, 2.2).
enum ShellWord {
  private static let operators = Array(";&|<>()".utf8)
  private static let escapable = Array("$`\"\\\n".utf8)

  /// The first word of a text, as `eval set -- "$TEXT"` sets `$1`, but without running anything.
  ///
  /// Nil without a word, and for text that only a shell can read: expansions, and quotation marks that are not closed.
  static func first(of text: String) -> String? {
    var rest = Array(text.utf8).drop(while: isBlank)
    guard rest.first != UInt8(ascii: "#") else { return nil }
    var word: [UInt8] = []
    var quote: UInt8?
    while let byte = rest.popFirst() {
      switch byte {
      case quote: quote = nil
      case _ where quote == UInt8(ascii: "'"): word.append(byte)
      case UInt8(ascii: "$"), UInt8(ascii: "`"): return nil
      case UInt8(ascii: "\\"):
        guard let next = rest.first else { return nil }
        if quote != nil, !escapable.contains(next) { word.append(byte) }
        rest = rest.dropFirst()
        // An escaped line break joins two lines.
        if next != 0x0a { word.append(next) }
      case _ where quote != nil: word.append(byte)
      case UInt8(ascii: "'"), UInt8(ascii: "\""): quote = byte
      case _ where isBlank(byte) || operators.contains(byte): rest = []
      default: word.append(byte)
      }
    }
    return quote == nil && !word.isEmpty ? String(decoding: word, as: UTF8.self) : nil
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0a }
}
