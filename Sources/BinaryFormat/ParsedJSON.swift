// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A JSON document (RFC 8259) that others wrote. Strict: no comments, no trailing commas, no name twice in an object.
package enum ParsedJSON: Hashable, Sendable {
  case null
  case boolean(Bool)
  /// As it is spelt.
  case number(String)
  case string(String)
  case array([ParsedJSON])
  case object([String: ParsedJSON])

  /// Arrays and objects in each other.
  package static let depthLimit = 32

  /// Reads a document in UTF-8. Throws `ParseError` `encoding` for text that is none, `range` for nesting beyond
  /// `depthLimit`, `overlap` for a name that comes twice, `trailing bytes`, `truncated` and `syntax`.
  package init(parsing text: [UInt8]) throws(ParseError) {
    var parser = JSONParser(text)
    self = try parser.document()
  }

  /// The member of an object; nil if this is none or has no such member.
  package subscript(name: String) -> ParsedJSON? {
    guard case .object(let members) = self else { return nil }
    return members[name]
  }

  package var string: String? {
    guard case .string(let string) = self else { return nil }
    return string
  }

  package var array: [ParsedJSON]? {
    guard case .array(let elements) = self else { return nil }
    return elements
  }

  package var object: [String: ParsedJSON]? {
    guard case .object(let members) = self else { return nil }
    return members
  }
}

extension ParseError.Rule {
  /// Text that the grammar of its language does not have.
  package static let syntax: Self = "syntax"
}
