// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A JSON document (RFC 8259): a command's `--json` report, or a parsed document.
package enum JSONValue: Hashable, Sendable {
  case null
  case boolean(Bool)
  /// The number as written in the document.
  case number(String)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  package static func integer(_ number: Int) -> JSONValue { .number(String(number)) }

  /// The string, or null for nil.
  package init(_ text: String?) { self = text.map { .string($0) } ?? .null }
  /// The number, or null for nil.
  package init(_ number: Int?) { self = number.map { .integer($0) } ?? .null }
  /// The truth value, or null for nil.
  package init(_ truth: Bool?) { self = truth.map { .boolean($0) } ?? .null }
  /// The message in English, or null for nil.
  package init(_ message: Message?) { self = message.map { .string($0.description) } ?? .null }
  package init(_ messages: [Message]) { self = .array(messages.map { .string($0.description) }) }
  package init(_ texts: [String]) { self = .array(texts.map { .string($0) }) }

  /// The document with two spaces per level, members in byte order of their names, and a line feed at the end.
  package func serialize() -> String {
    var text = ""
    write(to: &text, indentation: "\n")
    return text + "\n"
  }

  private func write(to text: inout String, indentation: String) {
    switch self {
    case .null: text += "null"
    case .boolean(let truth): text += truth ? "true" : "false"
    case .number(let number): text += number
    case .string(let string): Self.write(string, to: &text)
    case .array(let elements):
      Self.write(elements, between: "[", "]", to: &text, indentation) { $0.write(to: &$1, indentation: $2) }
    case .object(let members):
      let sorted = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      Self.write(sorted, between: "{", "}", to: &text, indentation) { member, text, inner in
        Self.write(member.key, to: &text)
        text += ": "
        member.value.write(to: &text, indentation: inner)
      }
    }
  }

  private static func write<Element>(
    _ elements: [Element], between open: String, _ close: String, to text: inout String, _ indentation: String,
    each: (Element, inout String, String) -> Void
  ) {
    text += open
    for (index, element) in elements.enumerated() {
      text += (index == 0 ? "" : ",") + indentation + "  "
      each(element, &text, indentation + "  ")
    }
    text += (elements.isEmpty ? "" : indentation) + close
  }

  /// Escapes the characters required by RFC 8259 section 7, and also DEL and the C1 controls, which terminals
  /// interpret.
  private static func write(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\t": text += "\\t"
      case _ where scalar.value < 0x20 || 0x7f...0x9f ~= scalar.value:
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}

extension JSONValue {
  /// The member of an object; nil if this is not an object or has no such member.
  package subscript(name: String) -> JSONValue? { object?[name] }

  package var string: String? { if case .string(let string) = self { string } else { nil } }
  package var array: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
  package var object: [String: JSONValue]? { if case .object(let members) = self { members } else { nil } }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
  package init(stringLiteral text: String) { self = .string(text) }
  package init(integerLiteral number: Int) { self = .integer(number) }
  package init(booleanLiteral truth: Bool) { self = .boolean(truth) }
}

extension JSONValue: ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  /// If two members have the same name, the later one wins.
  package init(dictionaryLiteral members: (String, JSONValue)...) {
    self = .object([String: JSONValue](members) { $1 })
  }
}
