// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// An error that reads as a sentence and may know what the user can do about it.
package protocol HintedError: Error, MessageConvertible {
  /// What to do next, in the imperative; nil where nothing more than the error is known.
  var hint: Message? { get }
}

/// An error whose sentence may name the object that it is about.
package protocol ObjectNamingError: Error {
  /// Whether it does; otherwise whoever knows the object puts its name in front.
  var namesItsObject: Bool { get }
}
