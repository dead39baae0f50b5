// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import CLZMA
internal import Messages

/// Decodes one block with liblzma, for any filters.
enum BlockDecoder {
  /// Decodes `file`, the bytes of `block`, into `text`, which is as large as the block's text.
  ///
  /// Throws `ParseError` if the block is damaged or its sizes differ from the index.
  static func decode(
    _ file: [UInt8], of block: XZStream.Block, check: XZCheck, into text: UnsafeMutableRawBufferPointer
  ) throws {
    var position = 0
    let unpadded = try forEachPiece(of: file, at: block.range.lowerBound, check: check) { piece in
      guard piece.count <= text.count - position else {
        throw damage(block.range.lowerBound, "the uncompressed data is longer than the index says")
      }
      UnsafeMutableRawBufferPointer(rebasing: text[position..<position + piece.count]).copyMemory(from: piece)
      position += piece.count
    }
    guard unpadded == block.unpaddedSize else {
      throw damage(block.range.lowerBound, "the block has \(unpadded) bytes; the index says \(block.unpaddedSize)")
    }
    guard position == text.count else {
      throw damage(block.range.lowerBound, "the uncompressed data is shorter than the index says")
    }
  }

  private static func damage(_ offset: Int, _ detail: Message) -> ParseError {
    ParseError(XZStream.format, at: offset, "check", detail)
  }

  /// Calls `body` with the text of the single block in `file`, in order, and returns the block's size without padding.
  ///
  /// `offset` is the block's offset for error messages.
  static func forEachPiece(
    of file: [UInt8], at offset: Int, check: XZCheck, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Int {
    try withFilters(of: file, at: offset, check: check) { block, headerSize in
      let coder = Coder()
      try coder.require(lzma_block_decoder(&coder.stream, &block), is: LZMA_OK, operation: "start decoding")
      do {
        try file.withUnsafeBytes { file in
          let content = UnsafeRawBufferPointer(rebasing: file[headerSize...])
          try coder.code(content, action: LZMA_FINISH, operation: "decode the block", body)
        }
      } catch let error as XZError where error.rule == .damage {
        throw damage(offset, error.message)
      }
      guard coder.stream.avail_in == 0 else { throw damage(offset, "the block is shorter than the index says") }
      return Int(clamping: lzma_block_unpadded_size(&block))
    }
  }

  /// Calls `body` with the parsed header of the block in `file`, which has its filters, and the header's size in bytes.
  ///
  /// Throws `ParseError` if the header is damaged, or liblzma does not support it.
  static func withFilters<Result>(
    of file: [UInt8], at offset: Int, check: XZCheck, _ body: (inout lzma_block, Int) throws -> Result
  ) throws -> Result {
    var reader = ByteReader(file[...], format: XZStream.format, startingAt: offset)
    let header = try BlockHeader(parsing: &reader)
    return try withUnsafeTemporaryAllocation(of: lzma_filter.self, capacity: Int(LZMA_FILTERS_MAX) + 1) { filters in
      filters.initialize(repeating: lzma_filter(id: .max, options: nil))
      var block = lzma_block()
      block.version = 1
      block.check = lzma_check(UInt32(check.rawValue))
      block.header_size = UInt32(header.size)
      block.filters = filters.baseAddress
      let code = file.withUnsafeBytes { file in
        lzma_block_header_decode(&block, nil, file.bindMemory(to: UInt8.self).baseAddress)
      }
      guard code == LZMA_OK else {
        throw ParseError(XZStream.format, at: offset, .unsupported, "liblzma does not support the block's filters")
      }
      defer { lzma_filters_free(filters.baseAddress, nil) }
      guard lzma_raw_decoder_memusage(filters.baseAddress) <= UInt64(DecodedBlock.greatestDecoder) else {
        throw ParseError(XZStream.format, at: offset, .range, "the block's dictionary is too large")
      }
      return try body(&block, header.size)
    }
  }
}
