// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// What a parser found wrong: which rule of which format is broken at which byte.
///
/// The layer that opened the file adds its name.
package struct ParseError: Error, Hashable, Sendable {
  /// The rule that does not hold; an open set, so that tests can name one without parsing text.
  package struct Rule: Hashable, Sendable, ExpressibleByStringLiteral {
    package var name: String
    package init(stringLiteral name: String) { self.name = name }
    package init(_ name: String) { self.name = name }

    /// The input ends before the value does.
    package static let truncated: Rule = "truncated"
    /// Bytes follow where the format allows none.
    package static let trailingBytes: Rule = "trailing bytes"
    /// A signature or constant of the format is not there.
    package static let magic: Rule = "magic"
    /// A size, count or offset is outside what the format or the input allows.
    package static let range: Rule = "range"
    /// Two parts of the input claim the same bytes.
    package static let overlap: Rule = "overlap"
    /// The value is legal, but nothing this program may act upon.
    package static let unsupported: Rule = "unsupported"
    /// Text that is not valid in its encoding.
    package static let encoding: Rule = "encoding"
  }

  /// The format as its specification names it, such as `PE/COFF`.
  package var format: String
  /// Byte offset from the start of the input.
  package var offset: Int
  package var rule: Rule
  /// What was found, as the rest of a sentence.
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
