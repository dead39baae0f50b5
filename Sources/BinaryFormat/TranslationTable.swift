// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Translations as msgfmt(1) compiles them (GNU gettext manual, "The Format of GNU MO Files"), in little endian.
///
/// The C library takes what such a file says on trust, and dies of one that is damaged.
package struct TranslationTable: Sendable {
  private let content: [UInt8]
  /// Where the keys are, in byte order, and in the same order their texts.
  private let keys: [Range<Int>]
  private let texts: [Range<Int>]

  private static let format = "GNU MO"

  /// Throws `ParseError`: `magic`, `unsupported`, `range`, or `truncated` where a text lies outside or does not end.
  package init(parsing content: [UInt8]) throws(ParseError) {
    var reader = ByteReader(content, format: Self.format)
    guard try reader.read(UInt32.self) == 0x9504_12de else {
      throw ParseError(Self.format, at: 0, .magic, "it is not a catalogue of messages")
    }
    let revision = try reader.read(UInt32.self)
    guard revision >> 16 == 0 else {
      throw ParseError(Self.format, at: 4, .unsupported, "revision \(revision >> 16) is unknown")
    }
    let count = try reader.readCount(UInt32.self)
    let (keyTable, textTable) = (try reader.readCount(UInt32.self), try reader.readCount(UInt32.self))
    self.content = content
    keys = try Self.ranges(in: content, at: keyTable, count)
    texts = try Self.ranges(in: content, at: textTable, count)
  }

  /// A table of lengths and offsets. Each text ends in a NUL that its length does not count.
  private static func ranges(in content: [UInt8], at offset: Int, _ count: Int) throws(ParseError) -> [Range<Int>] {
    var reader = ByteReader(content, format: format)
    try reader.seek(to: offset)
    var table = try reader.subReader(count: count * 8)
    var ranges: [Range<Int>] = []
    while !table.isAtEnd {
      let (length, start) = (try table.readCount(UInt32.self), try table.readCount(UInt32.self))
      guard start + length < content.count, content[start + length] == 0 else {
        throw ParseError(format, at: table.offset - 8, .truncated, "a text of \(length) bytes at \(start) does not end")
      }
      ranges.append(start..<start + length)
    }
    return ranges
  }

  /// The translation of `key`; nil if there is none, or an empty one.
  package func translation(of key: String) -> String? {
    let wanted = Array(key.utf8)
    var (low, high) = (0, keys.count)
    while low < high {
      let middle = (low + high) / 2
      if content[keys[middle]].lexicographicallyPrecedes(wanted) { low = middle + 1 } else { high = middle }
    }
    // What is translated for nothing is the catalogue's own description.
    guard !wanted.isEmpty, low < keys.count, content[keys[low]].elementsEqual(wanted), !texts[low].isEmpty else {
      return nil
    }
    return String(decoding: content[texts[low]], as: UTF8.self)
  }
}
