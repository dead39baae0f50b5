// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// What liblzma could not do, and what to do about it.
package struct XZError: HintedError, Hashable {
  /// A full sentence without its full stop.
  package var message: Message
  package var hint: Message?
  /// Whether it is the data, rather than memory or the caller, that is to blame.
  var isDamage: Bool

  init(_ message: Message, hint: Message? = nil, isDamage: Bool = false) {
    self.message = message
    self.hint = hint
    self.isDamage = isDamage
  }
}
