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
