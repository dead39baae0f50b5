// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem
internal import Messages

extension Message {
  /// The text in the user's language.
  package var localText: String { text(Catalogue.translate) }

  /// The same as a line of its own.
  package var localLine: String { "\(localText)\n" }
}

extension Sequence<Message> {
  /// The texts in the user's language, a line each.
  package var localLines: String { map(\.localLine).joined() }
}

extension String {
  /// The text without what a terminal would act upon: every control character but the line feed becomes `?`.
  ///
  /// Names in images and certificates come from their makers and may hold anything.
  package var terminalText: String {
    String(
      UnicodeScalarView(
        unicodeScalars.map { scalar in
          let isControl = scalar.value < 0x20 && scalar != "\n" || 0x7f...0x9f ~= scalar.value
          return isControl ? "?" : scalar
        }))
  }
}
