// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Translations compiled by msgfmt(1) (GNU gettext manual, "The Format of GNU MO Files"), in little endian.
///
/// The C library does not check such files, and crashes on a damaged one.
package struct TranslationTable: Sendable {
  private let content: [UInt8]
  /// The positions of the keys, in byte order, and of their texts in the same order.
  private let keys: [Range<Int>]
  private let texts: [Range<Int>]

  private static let format = "GNU MO"

  /// Throws `ParseError`: `magic`, `unsupported`, `range`, or `truncated` if a text is outside or not terminated.
  package init(parsing content: [UInt8]) throws(ParseError) {
    guard try Self.word(content, at: 0) == 0x9504_12de else {
      throw ParseError(Self.format, at: 0, .magic, "not a message catalogue")
    }
    let revision = try Self.word(content, at: 4)
    guard revision >> 16 == 0 else {
      throw ParseError(Self.format, at: 4, .unsupported, "revision \(revision >> 16) is unknown")
    }
    let count = try Self.word(content, at: 8)
    self.content = content
    keys = try Self.ranges(in: content, at: Self.word(content, at: 12), count: count)
    texts = try Self.ranges(in: content, at: Self.word(content, at: 16), count: count)
  }

  /// Reads a table of lengths and offsets.
  ///
  /// Each text is followed by a NUL that its length does not include.
  private static func ranges(in content: [UInt8], at offset: Int, count: Int) throws(ParseError) -> [Range<Int>] {
    guard offset <= content.count else {
      throw ParseError(format, at: offset, .range, "offset \(offset) is outside the input")
    }
    guard count * 8 <= content.count - offset else {
      throw ParseError(format, at: offset, .truncated, "expected \(count * 8) bytes, found \(content.count - offset)")
    }
    var ranges: [Range<Int>] = []
    for entry in stride(from: offset, to: offset + count * 8, by: 8) {
      let (length, start) = (try word(content, at: entry), try word(content, at: entry + 4))
      guard start + length < content.count, content[start + length] == 0 else {
        throw ParseError(format, at: entry, .truncated, "the text of \(length) bytes at \(start) is not terminated")
      }
      ranges.append(start..<start + length)
    }
    return ranges
  }

  /// Reads a 32-bit number.
  ///
  /// `offset` must not be negative.
  private static func word(_ content: [UInt8], at offset: Int) throws(ParseError) -> Int {
    let width = 4
    guard offset <= content.count - width else {
      throw ParseError(
        format, at: offset, .truncated, "expected \(width) bytes, found \(max(0, content.count - offset))")
    }
    return content[offset..<offset + width].reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  /// The translation of `key`; nil if it is missing or empty.
  package func translation(of key: String) -> String? {
    let wanted = Array(key.utf8)
    var (low, high) = (0, keys.count)
    while low < high {
      let middle = (low + high) / 2
      if content[keys[middle]].lexicographicallyPrecedes(wanted) { low = middle + 1 } else { high = middle }
    }
    // The empty key has the catalogue's header.
    guard !wanted.isEmpty, low < keys.count, content[keys[low]].elementsEqual(wanted), !texts[low].isEmpty else {
      return nil
    }
    return String(decoding: content[texts[low]], as: UTF8.self)
  }
}
