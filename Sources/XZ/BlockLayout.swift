// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import LZMA2
internal import Messages

/// The layout of a block in its file (The .xz File Format 1.2.0, section 3).
struct BlockLayout {
  let header: BlockHeader
  private let block: XZStream.Block
  private let dataRange: Range<Int>
  private let check: XZCheck

  /// Parses the header; throws `ParseError` if it is damaged or does not match the index.
  init(of block: XZStream.Block, check: XZCheck, in source: any RandomAccessBytes) throws {
    let start = block.range.lowerBound
    let first = try source.readBytes(at: start, count: min(1024, block.range.count), format: XZStream.format)
    var reader = ByteReader(first[...], format: XZStream.format, startingAt: start)
    header = try BlockHeader(parsing: &reader)
    let dataCount = block.unpaddedSize - header.size - check.size
    guard dataCount > 0, header.compressedSize ?? dataCount == dataCount,
      header.textCount ?? block.text.count == block.text.count
    else { throw ParseError(XZStream.format, at: start, .range, "the sizes in the header do not match the index") }
    self.block = block
    self.check = check
    dataRange = start + header.size..<start + header.size + dataCount
  }

  /// The text and symbols; nil if LZMA2 is not the only filter or uses unsupported features.
  func decodeLZMA2(from source: any RandomAccessBytes, buffers: any BufferSource) throws -> LZMA2Block? {
    guard let dictionarySize = header.dictionarySize else { return nil }
    guard dictionarySize <= DecodedBlock.greatestDecoder else {
      throw DecodedBlock.dictionaryError(dictionarySize, at: block.range.lowerBound)
    }
    let input = PaddedBuffer(count: dataRange.count, for: .compressedData, from: buffers)
    try source.read(into: input.bytes, at: dataRange.lowerBound)
    do throws(ParseError) {
      return try LZMA2Block(
        decoding: input, textCount: block.text.count, dictionarySize: dictionarySize, offset: dataRange.lowerBound,
        buffers: buffers)
    } catch {
      guard error.rule == .unsupported else { throw error }
      return nil
    }
  }

  /// Reads the check, and checks that the padding before it is zero.
  func readCheck(from source: any RandomAccessBytes) throws -> [UInt8] {
    let end = try source.readBytes(
      at: dataRange.upperBound, count: block.range.upperBound - dataRange.upperBound, format: XZStream.format)
    guard end.dropLast(check.size).allSatisfy({ $0 == 0 }) else {
      throw ParseError(XZStream.format, at: dataRange.upperBound, .range, "the block's padding is not zero")
    }
    return end.suffix(check.size)
  }
}
