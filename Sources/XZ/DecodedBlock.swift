// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import LZMA2
internal import Messages

/// The text of one block in memory, with its check verified, ready to be encoded again with edits.
package final class DecodedBlock: Sendable {
  /// The largest text of a block in bytes; larger ones are rejected before memory is allocated.
  package static let greatestText = 64 << 20
  /// The most memory in bytes that a decoder may need for dictionary and tables: preset 9 needs 65 MiB.
  static let greatestDecoder = 136 << 20

  private let block: XZStream.Block
  private let check: XZCheck
  private let header: BlockHeader
  private let text: PaddedBuffer
  /// Nil if liblzma decoded the text.
  private let symbols: LZMA2Block?
  private let buffers: any BufferSource

  /// Decodes `block` of `stream`, which was parsed from `source`.
  ///
  /// Throws `ParseError` if the block is damaged, if its sizes differ from the index, or if it needs more memory than
  /// any package, and what reading the source throws. `buffers` provides the memory, also of later edits.
  package init(
    _ block: XZStream.Block, of stream: XZStream, from source: any RandomAccessBytes,
    buffers: any BufferSource = HeapBuffers()
  ) throws {
    let start = block.range.lowerBound
    guard block.text.count <= Self.greatestText else {
      throw ParseError(
        XZStream.format, at: start, .range, "a block of \(block.text.count) uncompressed bytes is too large")
    }
    let layout = try BlockLayout(of: block, check: stream.check, in: source)
    self.block = block
    check = stream.check
    self.buffers = buffers
    header = layout.header
    symbols = try layout.decodeLZMA2(from: source, buffers: buffers)
    if let symbols {
      text = symbols.text
      let value = try stream.check.value(of: UnsafeRawBufferPointer(text.bytes))
      guard try layout.readCheck(from: source) == value else {
        throw ParseError(XZStream.format, at: start, "check", "the block's checksum is wrong")
      }
    } else {
      let file = try source.readBytes(at: start, count: block.range.count, format: XZStream.format)
      text = PaddedBuffer(count: block.text.count, from: buffers)
      try BlockDecoder.decode(file, of: block, check: stream.check, into: text.bytes)
    }
  }

  /// Size of the text in bytes.
  package var textCount: Int { text.count }

  /// Calls `body` with the text, which is valid during the call.
  package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(self) { try body(UnsafeRawBufferPointer(text.bytes)) }
  }

  /// Whether the block's symbols are known, so that edits cost little; otherwise liblzma recompresses the text.
  package var canTranscode: Bool { symbols != nil }

  /// Encodes the block with `edits` applied; their offsets are in the whole plain text and within this block's text.
  ///
  /// Returns one block, several if liblzma recompressed the text, or none if no text is left. `storing` are ranges of
  /// the old plain text that do not compress, and `workers` is the number of threads; both apply only to liblzma. With
  /// `verify`, liblzma decodes the result for comparison, and recompresses the text if transcoding went wrong. Without
  /// `reusing`, no chunk is copied, as if the first byte were edited. Throws `XZError` if liblzma fails, or if the
  /// edits are not in order.
  package func encode(
    applying edits: [ByteEdit], verify: Bool, storing: [Range<Int>] = [], workers: Int = 1, reusing: Bool = true
  ) throws -> [EncodedBlock] {
    guard edits.areOrdered(within: block.text) else {
      throw XZError(.use, "the edits of bytes \(block.text.lowerBound) to \(block.text.upperBound) are not in order")
    }
    let edited = EditedText(
      UnsafeRawBufferPointer(text.bytes), startingAt: block.text.lowerBound, edits: edits, buffers: buffers)
    guard edited.text.count > 0 else { return [] }
    return try withExtendedLifetime(edited) {
      let bytes = UnsafeRawBufferPointer(edited.text.bytes)
      if let symbols {
        var copied: [CopiedData] = []
        let transcoded = try EncodedBlock(
          transcoding: symbols, to: edited, header: header, check: check, reusing: reusing, copied: &copied)
        let verifier = BlockVerifier(check: check, text: bytes)
        if try !verify || verifier.accepts(transcoded, of: symbols, copied: copied) { return [transcoded] }
      }
      let blocks = try EncodedBlock.encode(
        text: bytes, check: check, storing: storing.map(edited.newRange), workers: workers)
      guard try !verify || BlockVerifier(check: check, text: bytes).accepts(blocks) else {
        throw XZError(.use, "liblzma cannot decode its own output", hint: "test the RAM of this host")
      }
      return blocks
    }
  }
}

extension XZStream {
  /// Throws `ParseError` if a block needs a larger dictionary than `DecodedBlock` accepts, or has a damaged header.
  ///
  /// For streams that another library unpacks. `source` is the one that the stream was parsed from.
  package func requireModestDictionaries(in source: any RandomAccessBytes) throws {
    for block in blocks {
      let header = try BlockLayout(of: block, check: check, in: source).header
      if let size = header.neededDictionary, size > DecodedBlock.greatestDecoder {
        throw DecodedBlock.dictionaryError(size, at: block.range.lowerBound)
      }
    }
  }
}

extension DecodedBlock {
  static func dictionaryError(_ size: Int, at offset: Int) -> ParseError {
    ParseError(
      XZStream.format, at: offset, .unsupported,
      "a block needs a dictionary of \(size) bytes; the limit is \(greatestDecoder)")
  }
}

/// A text with edits applied.
struct EditedText {
  let text: PaddedBuffer
  /// The edits, with offsets from the first byte of the old text.
  let edits: [ByteEdit]
  private let start: Int

  /// Applies `edits` to `old`; they are in order, and their offsets count from `start` at the first byte of `old`.
  init(_ old: UnsafeRawBufferPointer, startingAt start: Int, edits: [ByteEdit], buffers: any BufferSource) {
    self.start = start
    self.edits = edits.map {
      ByteEdit(
        range: $0.range.lowerBound - start..<$0.range.upperBound - start, replacement: $0.replacement)
    }
    let text = PaddedBuffer(count: old.count + edits.growth, from: buffers)
    var source = 0
    var target = 0
    func put(_ bytes: UnsafeRawBufferPointer) {
      UnsafeMutableRawBufferPointer(rebasing: text.bytes[target..<target + bytes.count]).copyMemory(from: bytes)
      target += bytes.count
    }
    for edit in self.edits {
      put(UnsafeRawBufferPointer(rebasing: old[source..<edit.range.lowerBound]))
      edit.replacement.withUnsafeBytes(put)
      source = edit.range.upperBound
    }
    put(UnsafeRawBufferPointer(rebasing: old[source...]))
    self.text = text
  }

  /// Maps `range` of the old text, clamped to it, to offsets in the new text, from 0.
  func newRange(_ range: Range<Int>) -> Range<Int> {
    let lower = newOffset(range.lowerBound - start, includingInsertion: false)
    return lower..<max(lower, newOffset(range.upperBound - start, includingInsertion: true))
  }

  private func newOffset(_ offset: Int, includingInsertion: Bool) -> Int {
    var moved = offset
    for edit in edits {
      guard includingInsertion ? edit.range.lowerBound <= offset : edit.range.lowerBound < offset else { break }
      moved += edit.range.upperBound <= offset ? edit.growth : edit.range.lowerBound - offset + edit.replacement.count
    }
    return min(max(0, moved), text.count)
  }
}
