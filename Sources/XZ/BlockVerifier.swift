// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import CLZMA
internal import LZMA2
internal import Messages

/// Verifies new blocks: liblzma decodes them, and the result is compared with the text that they should have.
struct BlockVerifier {
  let check: XZCheck
  let text: UnsafeRawBufferPointer

  private struct Difference: Error {}

  /// Whether liblzma decodes `blocks`, one after the other, to the text.
  ///
  /// Throws `XZError` if memory runs out.
  func accepts(_ blocks: [EncodedBlock]) throws -> Bool {
    try comparing { compare in
      for block in blocks {
        let unpadded = try BlockDecoder.forEachPiece(of: block.bytes, at: 0, check: check, compare)
        guard unpadded == block.unpaddedSize else { throw Difference() }
      }
    }
  }

  /// Whether `block`, transcoded from `symbols`, decodes to the text.
  ///
  /// liblzma decodes all data except what was `copied`: see `VerificationStream`. If that fails, it decodes all.
  func accepts(_ block: EncodedBlock, of symbols: LZMA2Block, copied: [CopiedData]) throws -> Bool {
    if !copied.isEmpty, try hasFrame(block), try decodesExceptCopies(block, of: symbols, copied: copied) { return true }
    return try accepts([block])
  }

  /// Whether the sizes in the header, the padding and the check are correct.
  private func hasFrame(_ block: EncodedBlock) throws -> Bool {
    var reader = ByteReader(block.bytes, format: XZStream.format)
    guard let header = try? BlockHeader(parsing: &reader), let dataCount = header.compressedSize else { return false }
    let padding = [UInt8](repeating: 0, count: -dataCount & 3)
    let expectedEnd = padding + (try check.value(of: text))
    return header.textCount == text.count && block.textCount == text.count
      && block.unpaddedSize == header.size + dataCount + check.size
      && block.bytes.dropFirst(header.size + dataCount).elementsEqual(expectedEnd)
  }

  private func decodesExceptCopies(_ block: EncodedBlock, of symbols: LZMA2Block, copied: [CopiedData]) throws -> Bool {
    try comparing { compare in
      try BlockDecoder.withFilters(of: block.bytes, at: 0, check: check) { header, size in
        let coder = Coder()
        let operation: Message = "decode the block"
        try coder.require(lzma_raw_decoder(&coder.stream, header.filters), is: LZMA_OK, operation: "start decoding")
        try block.bytes.withUnsafeBytes { bytes in
          let data = UnsafeRawBufferPointer(rebasing: bytes[size..<block.unpaddedSize - check.size])
          var stream = VerificationStream(data, of: symbols, copied: copied, text: text)
          var hasEnded = false
          let isIntact = try stream.forEachPiece { piece in
            guard !hasEnded else { throw Difference() }
            hasEnded = try coder.decode(part: piece, operation: operation, compare)
          }
          guard isIntact, hasEnded else { throw Difference() }
        }
      }
    }
  }

  /// Whether `body` passes exactly the text to its argument, piece by piece, and finds no error in the data.
  private func comparing(_ body: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void) throws -> Bool {
    var position = 0
    do {
      try body { piece in
        guard piece.count <= text.count - position,
          UnsafeRawBufferPointer(rebasing: text[position..<position + piece.count]).hasSameBytes(as: piece)
        else { throw Difference() }
        position += piece.count
      }
    } catch is Difference {
      return false
    } catch is ParseError {
      return false
    } catch let error as XZError where error.rule == .damage {
      return false
    }
    return position == text.count
  }
}
