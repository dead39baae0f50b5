// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Messages

/// The header of a block: optional sizes, and filters (The .xz File Format 1.2.0, section 3.1).
struct BlockHeader: Hashable, Sendable {
  struct Filter: Hashable, Sendable {
    var id: Int
    var properties: [UInt8]
  }

  /// Size of the header in bytes; set only by parsing.
  private(set) var size = 0
  /// Size of the compressed data in bytes, without padding and check.
  var compressedSize: Int?
  var textCount: Int?
  var filters: [Filter]

  init(compressedSize: Int?, textCount: Int?, filters: [Filter]) {
    self.compressedSize = compressedSize
    self.textCount = textCount
    self.filters = filters
  }

  init(parsing reader: inout ByteReader) throws(ParseError) {
    let start = reader.offset
    let sizeByte = try reader.read(UInt8.self)
    guard sizeByte != 0 else {
      throw ParseError(reader.format, at: start, .magic, "found an index instead of a block")
    }
    try reader.seek(to: start)
    var fields = try reader.subReader(count: Int(sizeByte) * 4)
    let whole = fields
    guard try reader.read(UInt32.self) == CRC32.of(whole.rest) else {
      throw ParseError(reader.format, at: start, "check", "the block header is damaged")
    }
    size = reader.offset - start
    try fields.skip(1)
    let flags = try fields.read(UInt8.self)
    guard flags & 0x3c == 0 else {
      throw ParseError(reader.format, at: start + 1, .unsupported, "unknown block flags 0x\([flags].hexadecimal)")
    }
    compressedSize = flags & 0x40 == 0 ? nil : try fields.readVariableLength()
    textCount = flags & 0x80 == 0 ? nil : try fields.readVariableLength()
    filters = []
    for _ in 0...(flags & 3) {
      let id = try fields.readVariableLength()
      let count = try fields.readVariableLength()
      filters.append(Filter(id: id, properties: Array(try fields.read(count: count))))
    }
    let padding = fields.offset
    guard fields.readToEnd().allSatisfy({ $0 == 0 }) else {
      throw ParseError(reader.format, at: padding, .trailingBytes, "data after the last filter in the block header")
    }
  }

  /// The header, padded with zeros to at least `minimumSize` bytes (a multiple of four, at most 1024).
  func serialize(minimumSize: Int = 0) -> [UInt8] {
    var fields = ByteWriter()
    let flags = filters.count - 1 | (compressedSize == nil ? 0 : 0x40) | (textCount == nil ? 0 : 0x80)
    fields.write(UInt8(truncatingIfNeeded: flags))
    if let compressedSize { fields.writeVariableLength(compressedSize) }
    if let textCount { fields.writeVariableLength(textCount) }
    for filter in filters {
      fields.writeVariableLength(filter.id)
      fields.writeVariableLength(filter.properties.count)
      fields.write(filter.properties)
    }
    // The size includes itself and the CRC32 at the end.
    let padded = max(minimumSize - 4, (fields.count + 1).roundedUp(toMultipleOf: 4) ?? 0)
    var writer = ByteWriter()
    writer.write(UInt8(truncatingIfNeeded: padded / 4))
    writer.write(fields.bytes)
    writer.pad(to: padded)
    writer.write(CRC32.of(writer.bytes))
    return writer.bytes
  }

  /// The dictionary size in bytes if LZMA2 is the only filter; nil for other filters and undefined codes.
  var dictionarySize: Int? { filters.count == 1 ? neededDictionary : nil }

  /// The dictionary size in bytes of LZMA2, which is always the last filter; nil for other filters and undefined codes.
  var neededDictionary: Int? {
    guard let filter = filters.last, filter.id == 0x21, filter.properties.count == 1 else { return nil }
    switch filter.properties[0] {
    case let code where code < 40: return (2 | Int(code & 1)) << (Int(code) / 2 + 11)
    case 40: return Int(UInt32.max)
    default: return nil
    }
  }
}

extension ByteReader {
  /// The remaining bytes, without consuming them.
  fileprivate var rest: ArraySlice<UInt8> {
    var copy = self
    return copy.readToEnd()
  }
}
