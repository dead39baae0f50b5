// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// String queries on the English text.
extension Message {
  package func contains(_ part: String) -> Bool { description.contains(part) }
  package func hasPrefix(_ part: String) -> Bool { description.hasPrefix(part) }
  package func hasSuffix(_ part: String) -> Bool { description.hasSuffix(part) }
}
