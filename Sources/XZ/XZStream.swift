// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Messages

/// The layout of one .xz stream, from its header, index and footer (The .xz File Format 1.2.0, sections 2 and 4).
///
/// The blocks themselves are not read.
package struct XZStream: Sendable {
  package struct Block: Hashable, Sendable {
    /// Offsets in the file, from the first byte of the block's header to the last of its check.
    package let range: Range<Int>
    /// Size in bytes of header, compressed data and check, without padding.
    package let unpaddedSize: Int
    /// Offsets in the plain text.
    package let text: Range<Int>
  }

  static let format = "xz"
  static let headerMagic: [UInt8] = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]
  static let footerMagic: [UInt8] = [0x59, 0x5a]
  /// Size of the stream's header in bytes, and of its footer.
  static let frameSize = 12
  /// Bytes; the index is read as a whole.
  private static let greatestIndex = 1 << 20
  /// The largest kernel packages have about fifty.
  private static let greatestCount = 1 << 16

  package let check: XZCheck
  package let blocks: [Block]

  /// Size of the plain text in bytes.
  package var textCount: Int { blocks.last?.text.upperBound ?? 0 }
  /// Size of the largest block's plain text in bytes.
  package var greatestText: Int { blocks.reduce(0) { max($0, $1.text.count) } }

  /// Reads the layout of a file that is exactly one stream.
  ///
  /// Throws `ParseError`, with offsets in `source`, if the file violates the format or uses features that packages do
  /// not need: more than one stream, padding after the stream, or a check other than the four common ones.
  package init(parsing source: any RandomAccessBytes) throws {
    let format = Self.format
    guard source.count >= 2 * Self.frameSize else {
      throw ParseError(format, at: source.count, .truncated, "a stream has at least 24 bytes")
    }
    var header = ByteReader(try source.readBytes(at: 0, count: Self.frameSize, format: format), format: format)
    guard try header.read(count: 6).elementsEqual(Self.headerMagic) else {
      throw ParseError(format, at: 0, .magic, "not an xz stream")
    }
    let flags = try Self.checked(&header, count: 2)
    let footerStart = source.count - Self.frameSize
    guard try source.readBytes(at: source.count - 4, count: 4, format: format) != [0, 0, 0, 0] else {
      throw ParseError(format, at: source.count - 4, .unsupported, "padding after the stream")
    }
    let (indexSize, footerFlags) = try Self.parseFooter(source, at: footerStart)
    guard flags == footerFlags else {
      throw ParseError(format, at: footerStart + 8, .range, "the flags in the header and footer differ")
    }
    guard flags[0] == 0, let check = XZCheck(rawValue: flags[1]) else {
      throw ParseError(format, at: 6, .unsupported, "unknown stream flags 0x\(flags.hexadecimal)")
    }
    guard indexSize <= Self.greatestIndex, indexSize <= footerStart - Self.frameSize else {
      throw ParseError(format, at: footerStart + 4, .range, "an index of \(indexSize) bytes is too large for this file")
    }
    let indexStart = footerStart - indexSize
    let index = ByteReader(
      try source.readBytes(at: indexStart, count: indexSize, format: format)[...], format: format,
      startingAt: indexStart)
    self.check = check
    blocks = try Self.parseIndex(index, check: check)
  }

  /// The size of the index in bytes and the stream's flags.
  private static func parseFooter(
    _ source: any RandomAccessBytes, at start: Int
  ) throws -> (indexSize: Int, flags: [UInt8]) {
    var reader = ByteReader(
      try source.readBytes(at: start, count: frameSize, format: format)[...], format: format, startingAt: start)
    let crc = try reader.read(UInt32.self)
    let content = try reader.read(count: 6)
    guard try reader.read(count: 2).elementsEqual(footerMagic) else {
      throw ParseError(format, at: start, .magic, "the file does not end with a stream footer")
    }
    guard CRC32.of(content) == crc else {
      throw ParseError(format, at: start, "check", "the footer is damaged")
    }
    var fields = ByteReader(content, format: format, startingAt: start + 4)
    let size = (try fields.readCount(UInt32.self) + 1) * 4
    return (size, Array(fields.readToEnd()))
  }

  /// Reads the next `count` bytes and verifies the CRC32 after them.
  private static func checked(_ reader: inout ByteReader, count: Int) throws(ParseError) -> [UInt8] {
    let start = reader.offset
    let content = try reader.read(count: count)
    guard try reader.read(UInt32.self) == CRC32.of(content) else {
      throw ParseError(format, at: start, "check", "\(count) bytes are damaged")
    }
    return Array(content)
  }

  private static func parseIndex(_ whole: ByteReader, check: XZCheck) throws(ParseError) -> [Block] {
    var reader = whole
    let start = reader.offset
    let content = Array(try reader.read(count: reader.remaining - 4))
    guard CRC32.of(content) == (try reader.read(UInt32.self)) else {
      throw ParseError(format, at: start, "check", "the index is damaged")
    }
    var fields = ByteReader(content[...], format: format, startingAt: start)
    guard try fields.read(UInt8.self) == 0 else { throw ParseError(format, at: start, .magic, "no index found") }
    let countOffset = fields.offset
    let count = try fields.readVariableLength()
    // A record has at least two bytes.
    guard count <= fields.remaining / 2 else {
      throw ParseError(
        format, at: countOffset, .range, "an index of \(content.count) bytes cannot contain \(count) records")
    }
    guard count <= greatestCount else {
      throw ParseError(format, at: countOffset, .range, "more than \(greatestCount) blocks")
    }
    var blocks: [Block] = []
    blocks.reserveCapacity(count)
    for _ in 0..<count {
      let end = blocks.last.map { (file: $0.range.upperBound, text: $0.text.upperBound) } ?? (frameSize, 0)
      blocks.append(try parseRecord(&fields, after: end, before: start, check: check))
    }
    guard fields.remaining < 4, fields.readToEnd().allSatisfy({ $0 == 0 }) else {
      throw ParseError(format, at: start, .trailingBytes, "data after the last record of the index")
    }
    let blocksEnd = blocks.last?.range.upperBound ?? frameSize
    guard blocksEnd == start else {
      throw ParseError(
        format, at: start, .range,
        "the last block ends at \(blocksEnd), not at the index; the file may have several streams")
    }
    return blocks
  }

  private static func parseRecord(
    _ fields: inout ByteReader, after end: (file: Int, text: Int), before indexStart: Int, check: XZCheck
  ) throws(ParseError) -> Block {
    let offset = fields.offset
    let unpadded = try fields.readVariableLength()
    let textCount = try fields.readVariableLength()
    let room = indexStart - end.file
    // At least eight bytes of header and one byte of data.
    guard unpadded >= 8 + 1 + check.size, unpadded <= room, let padded = unpadded.roundedUp(toMultipleOf: 4),
      padded <= room
    else { throw ParseError(format, at: offset, .range, "no room for a block of \(unpadded) bytes") }
    let (textEnd, overflow) = end.text.addingReportingOverflow(textCount)
    guard !overflow else {
      throw ParseError(format, at: offset, .range, "the uncompressed data has more than 2^63 bytes")
    }
    return Block(range: end.file..<end.file + padded, unpaddedSize: unpadded, text: end.text..<textEnd)
  }
}
