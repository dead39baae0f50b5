// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// The records of pax headers (POSIX.1-2001): `LENGTH KEY=VALUE` lines, where the length counts the whole line.
struct PaxRecords: Sendable {
  private var values: [String: [UInt8]] = [:]
  private var size = 0
  /// Tools write about ten records.
  ///
  /// Global ones are merged into each entry, so many would take long.
  private static let countLimit = 64

  subscript(key: String) -> [UInt8]? { values[key] }

  /// Sorted by key.
  var all: [PaxRecord] {
    values.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { PaxRecord(key: $0.key, value: $0.value) }
  }

  /// Adds the records of one header; an empty value removes a record.
  ///
  /// Throws `ParseError` if a record is invalid or if all headers together have more than `limit` bytes.
  mutating func merge(_ content: [UInt8], at offset: Int, limit: Int) throws(ParseError) {
    size += content.count
    guard size <= limit else {
      throw ParseError(TarHeaderBlock.format, at: offset, .range, "more than \(limit) bytes of pax records")
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
          TarHeaderBlock.format, at: offset + rest.startIndex, .encoding,
          "invalid pax record; expected LENGTH KEY=VALUE")
      }
      let key = String(decoding: body[..<sign], as: UTF8.self)
      let value = Array(body[(sign + 1)...])
      values[key] = value.isEmpty ? nil : value
      guard values.count <= Self.countLimit else {
        throw ParseError(
          TarHeaderBlock.format, at: offset + rest.startIndex, .range, "more than \(Self.countLimit) pax records")
      }
      rest = rest.dropFirst(length)
    }
  }

  /// Merges both sets of records; `others` wins where both have a key.
  func overridden(by others: PaxRecords) -> PaxRecords {
    var result = self
    result.values.merge(others.values) { $1 }
    return result
  }
}
