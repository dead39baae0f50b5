// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// An error that reads as a sentence and may know what the user can do about it.
package protocol HintedError: Error, MessageConvertible {
  /// What to do next, in the imperative; nil where nothing more than the error is known.
  var hint: Message? { get }
}
