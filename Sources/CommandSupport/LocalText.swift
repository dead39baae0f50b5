// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem
internal import Messages

extension Message {
  /// The text in the user's language for a terminal, in one line unless the message itself has several.
  ///
  /// Only the arguments are untrusted: a line feed in a label or a file name does not start a new line.
  package var localText: String { text(Catalogue.translate) { $0.lineText } }

  /// The same text with a line feed.
  package var localLine: String { "\(localText)\n" }
}

extension Sequence<Message> {
  /// The texts in the user's language, one per line.
  package var localLines: String { map(\.localLine).joined() }
}

extension String {
  /// The text for terminals: characters that could change how the rest is shown become `?`, except the line feed.
  ///
  /// Names in images and certificates are untrusted and may contain anything.
  package var terminalText: String { replacing { $0 != "\n" && Self.isMisleading($0) } }

  /// The same in one line: line feeds become `?` too.
  package var lineText: String { replacing(Self.isMisleading) }

  private func replacing(_ isReplaced: (Unicode.Scalar) -> Bool) -> String {
    guard unicodeScalars.contains(where: isReplaced) else { return self }
    return String(UnicodeScalarView(unicodeScalars.map { isReplaced($0) ? "?" : $0 }))
  }

  /// Whether it is a control character, a line separator, invisible, or changes the direction of writing (Unicode
  /// standard annex 9).
  private static func isMisleading(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7f...0x9f, 0x61c, 0x200b...0x200f, 0x2028...0x202e, 0x2060...0x206f, 0xfeff, 0xfff9...0xfffb,
      0xe0000...0xe007f:
      true
    default: false
    }
  }
}
