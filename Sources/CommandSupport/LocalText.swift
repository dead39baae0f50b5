// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem
internal import Messages

extension Message {
  /// The text in the user's language.
  package var localText: String { text(Catalogue.translate) }

  /// The same text with a line feed.
  package var localLine: String { "\(localText)\n" }
}

extension Sequence<Message> {
  /// The texts in the user's language, one per line.
  package var localLines: String { map(\.localLine).joined() }
}

extension String {
  /// The text for terminals: every control character except the line feed becomes `?`.
  ///
  /// Names in images and certificates are untrusted and may contain anything.
  package var terminalText: String {
    String(
      UnicodeScalarView(
        unicodeScalars.map { scalar in
          let isControl = scalar.value < 0x20 && scalar != "\n" || 0x7f...0x9f ~= scalar.value
          return isControl ? "?" : scalar
        }))
  }
}
