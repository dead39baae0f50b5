// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// Why sections cannot be added to an image.
package struct LayoutError: Error, Hashable, Sendable, MessageConvertible {
  /// The rule that does not hold; an open set.
  package struct Rule: Hashable, Sendable {
    private let name: String
    /// The section table cannot grow far enough in front of the first section in memory.
    package static let headerRoom = Rule(name: "header room")
    /// A section's new content does not fit in front of its successor in memory.
    package static let sectionRoom = Rule(name: "section room")
    /// A name is empty, longer than eight bytes or taken.
    package static let name = Rule(name: "name")
    /// The image would be larger than the format can describe.
    package static let size = Rule(name: "size")
    /// The image has parts whose meaning would be lost.
    package static let unsupported = Rule(name: "unsupported")
  }

  package var rule: Rule
  /// A full sentence without its full stop.
  package var message: Message

  package init(_ rule: Rule, _ message: Message) {
    self.rule = rule
    self.message = message
  }
}
