// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// Why no Unified Kernel Image can be made of the given parts.
package struct ImageError: HintedError, Hashable {
  /// The rule that does not hold; an open set.
  package struct Rule: Hashable, Sendable {
    private let name: String
    /// The file given as stub is none that can be built upon.
    package static let stub = Rule(name: "stub")
    /// The file given as kernel is none, or is a UKI itself.
    package static let kernel = Rule(name: "kernel")
    /// A part is empty or not of its kind.
    package static let content = Rule(name: "content")
    /// The command line holds what a command line cannot.
    package static let commandLine = Rule(name: "command line")
    /// A section cannot be added.
    package static let section = Rule(name: "section")
    /// What was written is not what was meant to be.
    package static let selfCheck = Rule(name: "self-check")
  }

  package var rule: Rule
  /// A full sentence without its full stop, naming the object.
  package var message: Message
  /// What the user can do about it.
  package var hint: Message?

  package init(_ rule: Rule, _ message: Message, hint: Message? = nil) {
    self.rule = rule
    self.message = message
    self.hint = hint
  }
}

extension ImageError: ObjectNamingError {
  package var namesItsObject: Bool { rule != .selfCheck }
}
