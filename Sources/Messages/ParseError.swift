// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A violation of a format's rule at a byte of the input.
///
/// The layer that opened the file adds its name.
package struct ParseError: Error, Hashable, Sendable {
  /// The broken rule; an open set, so that tests can check it without parsing text.
  package struct Rule: Hashable, Sendable, ExpressibleByStringLiteral {
    package var name: String
    package init(stringLiteral name: String) { self.name = name }
    package init(_ name: String) { self.name = name }

    /// The input ends before the end of the value.
    package static let truncated: Rule = "truncated"
    /// There are bytes after the end of the structure.
    package static let trailingBytes: Rule = "trailing bytes"
    /// A signature or constant of the format is missing.
    package static let magic: Rule = "magic"
    /// A size, count or offset exceeds the format or the input.
    package static let range: Rule = "range"
    /// Two parts of the input claim the same bytes.
    package static let overlap: Rule = "overlap"
    /// The value is valid, but not supported by this program.
    package static let unsupported: Rule = "unsupported"
    /// The text is not valid in its encoding.
    package static let encoding: Rule = "encoding"
  }

  /// The name of the format as in its specification, such as `PE/COFF`.
  package var format: String
  /// Byte offset from the start of the input.
  package var offset: Int
  package var rule: Rule
  /// What was found, as a sentence or fragment.
  package var detail: Message

  package init(_ format: String, at offset: Int, _ rule: Rule, _ detail: Message) {
    self.format = format
    self.offset = offset
    self.rule = rule
    self.detail = detail
  }
}

extension ParseError: MessageConvertible {
  package var message: Message { "\(format), byte \(offset): \(detail) [\(rule.name)]" }
}
