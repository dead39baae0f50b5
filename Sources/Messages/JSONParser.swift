// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

extension JSONValue {
  /// How deeply arrays and objects may be nested in a parsed document.
  package static let depthLimit = 32

  /// Reads an untrusted document in UTF-8.
  ///
  /// Strict: no comments, no trailing commas, no duplicate names in an object. Throws `ParseError` `encoding` for
  /// invalid text, `range` for nesting beyond `depthLimit`, `overlap` for a duplicate name, `trailing bytes`,
  /// `truncated` and `syntax`.
  package init(parsing text: [UInt8]) throws(ParseError) {
    var parser = JSONParser(text)
    self = try parser.document()
  }
}

extension ParseError.Rule {
  /// The text violates the grammar of its language.
  package static let syntax: Self = "syntax"
}

/// Reads one document, from its first byte to its last.
private struct JSONParser {
  private static let format = "JSON"

  private let text: [UInt8]
  private var position = 0

  init(_ text: [UInt8]) { self.text = text }

  mutating func document() throws(ParseError) -> JSONValue {
    let value = try value(depth: 0)
    skipSpace()
    guard position == text.count else { throw error(.trailingBytes, "unexpected text after the document") }
    return value
  }

  private mutating func value(depth: Int) throws(ParseError) -> JSONValue {
    skipSpace()
    guard depth < JSONValue.depthLimit else {
      throw error(.range, "nested more than \(JSONValue.depthLimit) levels deep")
    }
    switch try peek() {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
    default: return try word()
    }
  }

  private mutating func object(depth: Int) throws(ParseError) -> JSONValue {
    position += 1
    var members: [String: JSONValue] = [:]
    skipSpace()
    if take("}") { return .object(members) }
    repeat {
      skipSpace()
      guard try peek() == UInt8(ascii: "\"") else { throw error(.syntax, "a member of an object has no name") }
      let start = position
      let name = try string()
      skipSpace()
      guard take(":") else { throw error(.syntax, "missing colon after a name") }
      guard members.updateValue(try value(depth: depth + 1), forKey: name) == nil else {
        throw ParseError(Self.format, at: start, .overlap, "an object has the member '\(name)' twice")
      }
      skipSpace()
    } while take(",")
    guard take("}") else { throw error(.syntax, "expected a comma or the end of the object") }
    return .object(members)
  }

  private mutating func array(depth: Int) throws(ParseError) -> JSONValue {
    position += 1
    var elements: [JSONValue] = []
    skipSpace()
    if take("]") { return .array(elements) }
    repeat {
      elements.append(try value(depth: depth + 1))
      skipSpace()
    } while take(",")
    guard take("]") else { throw error(.syntax, "expected a comma or the end of the array") }
    return .array(elements)
  }

  private mutating func word() throws(ParseError) -> JSONValue {
    for (word, value) in [("true", JSONValue.boolean(true)), ("false", .boolean(false)), ("null", .null)]
    where text[position...].starts(with: word.utf8) {
      position += word.utf8.count
      return value
    }
    throw error(.syntax, "expected a value")
  }

  /// RFC 8259 section 6.
  private mutating func number() throws(ParseError) -> String {
    let start = position
    _ = take("-")
    if !take("0") { try digits() }
    if take(".") { try digits() }
    if take("e") || take("E") {
      if !take("+") { _ = take("-") }
      try digits()
    }
    return String(decoding: text[start..<position], as: UTF8.self)
  }

  private mutating func digits() throws(ParseError) {
    let start = position
    while position < text.count, UInt8(ascii: "0")...UInt8(ascii: "9") ~= text[position] { position += 1 }
    guard position > start else { throw error(.syntax, "missing digit in a number") }
  }

  private mutating func string() throws(ParseError) -> String {
    let start = position
    position += 1
    var bytes: [UInt8] = []
    while true {
      let byte = try peek()
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: bytes) else {
          throw ParseError(Self.format, at: start, .encoding, "invalid UTF-8 in string")
        }
        return string
      case UInt8(ascii: "\\"): bytes += String(try escape()).utf8
      case ..<0x20: throw error(.syntax, "control character in string")
      default: bytes.append(byte)
      }
    }
  }

  private mutating func escape() throws(ParseError) -> Unicode.Scalar {
    let byte = try peek()
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try codePoint()
    default: throw error(.syntax, "invalid escape sequence in string")
    }
  }

  /// The digits after `\u`, and the second half of a surrogate pair.
  private mutating func codePoint() throws(ParseError) -> Unicode.Scalar {
    let unit = try hexadecimal()
    if let scalar = Unicode.Scalar(unit) { return scalar }
    guard 0xd800..<0xdc00 ~= unit, take("\\"), take("u") else {
      throw error(.encoding, "half a surrogate pair in string")
    }
    let second = try hexadecimal()
    guard 0xdc00..<0xe000 ~= second, let scalar = Unicode.Scalar((unit - 0xd800) << 10 + (second - 0xdc00) + 0x1_0000)
    else { throw error(.encoding, "half a surrogate pair in string") }
    return scalar
  }

  private mutating func hexadecimal() throws(ParseError) -> UInt32 {
    guard text.count - position >= 4 else { throw error(.truncated, "truncated escape sequence") }
    let digits = String(decoding: text[position..<position + 4], as: UTF8.self)
    // The initialiser would accept a sign.
    guard digits.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
      let number = UInt32(digits, radix: 16)
    else { throw error(.syntax, "escape sequence without four hexadecimal digits") }
    position += 4
    return number
  }

  private mutating func skipSpace() {
    while position < text.count, [0x20, 0x09, 0x0a, 0x0d].contains(text[position]) { position += 1 }
  }

  private func peek() throws(ParseError) -> UInt8 {
    guard position < text.count else { throw error(.truncated, "the document is truncated") }
    return text[position]
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard position < text.count, text[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private func error(_ rule: ParseError.Rule, _ detail: Message) -> ParseError {
    ParseError(Self.format, at: position, rule, detail)
  }
}

extension String {
  /// Nil for bytes that are not UTF-8.
  fileprivate init?(validating bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    guard text.utf8.elementsEqual(bytes) else { return nil }
    self = text
  }
}
