// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// The records of pax headers (POSIX.1-2001): `LENGTH KEY=VALUE`, each with a line feed, the length that of the whole.
struct PaxRecords: Sendable {
  private var values: [String: [UInt8]] = [:]
  private var size = 0

  subscript(key: String) -> [UInt8]? { values[key] }

  /// Sorted by key.
  var all: [PaxRecord] {
    values.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { PaxRecord(key: $0.key, value: $0.value) }
  }

  /// Takes in the records of one header; an empty value takes a record away.
  ///
  /// Throws `ParseError` also if there are more than `limit` bytes over all.
  mutating func merge(_ content: [UInt8], at offset: Int, limit: Int) throws(ParseError) {
    size += content.count
    guard size <= limit else {
      throw ParseError(TarHeaderBlock.format, at: offset, .range, "there are more than \(limit) bytes of pax records")
    }
    var rest = content[...]
    while !rest.isEmpty {
      let digits = rest.prefix { $0 != UInt8(ascii: " ") }
      guard digits.count < 10, let length = Int(String(decoding: digits, as: UTF8.self)), length > digits.count + 1,
        length <= rest.count, case let record = rest.prefix(length), record.last == UInt8(ascii: "\n"),
        case let body = record.dropFirst(digits.count + 1).dropLast(),
        let sign = body.firstIndex(of: UInt8(ascii: "=")), sign > body.startIndex
      else {
        throw ParseError(
          TarHeaderBlock.format, at: offset + rest.startIndex, .encoding, "a pax record is not LENGTH KEY=VALUE")
      }
      let key = String(decoding: body[..<sign], as: UTF8.self)
      let value = Array(body[(sign + 1)...])
      values[key] = value.isEmpty ? nil : value
      rest = rest.dropFirst(length)
    }
  }

  /// These, and where both have a key, those of `others`.
  func overridden(by others: PaxRecords) -> PaxRecords {
    var result = self
    result.values.merge(others.values) { $1 }
    return result
  }
}
