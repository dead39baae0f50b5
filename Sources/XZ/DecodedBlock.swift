// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import LZMA2
internal import Messages

/// The text of one block in memory, its check verified, ready to be encoded again with edits.
package final class DecodedBlock: Sendable {
  /// A block whose text is larger is refused before memory is taken for it.
  package static let greatestText = 1 << 30
  /// So is one whose filters want more memory for a dictionary and tables.
  static let greatestDecoder = 320 << 20

  private let block: XZStream.Block
  private let check: XZCheck
  private let header: BlockHeader
  private let text: PaddedBuffer
  /// Nil where liblzma decoded the text.
  private let symbols: LZMA2Block?

  /// Decodes `block` of `stream`, which was parsed from `source`.
  ///
  /// Throws `ParseError` if it is damaged, if its sizes are not those of the index, or if it wants more memory than
  /// any package does; what reading the source throws.
  package init(_ block: XZStream.Block, of stream: XZStream, from source: any RandomAccessBytes) throws {
    let start = block.range.lowerBound
    guard block.text.count <= Self.greatestText else {
      throw ParseError(XZStream.format, at: start, .range, "a block of \(block.text.count) bytes of text is too large")
    }
    let layout = try BlockLayout(of: block, check: stream.check, in: source)
    self.block = block
    check = stream.check
    header = layout.header
    symbols = try layout.decodeLZMA2(from: source)
    if let symbols {
      text = symbols.text
      let value = try stream.check.value(of: UnsafeRawBufferPointer(text.bytes))
      guard try layout.readCheck(from: source) == value else {
        throw ParseError(XZStream.format, at: start, "check", "the block's text does not have its check")
      }
    } else {
      let file = try source.readBytes(at: start, count: block.range.count, format: XZStream.format)
      text = PaddedBuffer(count: block.text.count)
      try BlockDecoder.decode(file, of: block, check: stream.check, into: text.bytes)
    }
  }

  /// Bytes of the text.
  package var textCount: Int { text.count }

  /// Calls `body` with the text, which is there as long as the call lasts.
  package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(self) { try body(UnsafeRawBufferPointer(text.bytes)) }
  }

  /// Whether the symbols of the block are known, so that edits cost little; otherwise liblzma encodes its text anew.
  package var canTranscode: Bool { symbols != nil }

  /// The block with `edits` applied, whose offsets are those of the whole plain text and lie within the block's.
  ///
  /// There is one block, or several if liblzma encoded the text anew, or none if no text is left. `storing` are ranges
  /// of the old plain text that do not compress, and `workers` threads: both only matter to liblzma. With `verify`
  /// liblzma decodes what was made and it is compared; what was transcoded and is not right is encoded anew. Without
  /// `reusing` no chunk is copied, as if the first byte were edited. Throws `XZError` if liblzma cannot, or if the
  /// edits are not in order.
  package func encode(
    applying edits: [ByteEdit], verify: Bool, storing: [Range<Int>] = [], workers: Int = 1, reusing: Bool = true
  ) throws -> [EncodedBlock] {
    guard edits.areOrdered(within: block.text) else {
      throw XZError(.use, "edits of the bytes \(block.text.lowerBound) to \(block.text.upperBound) are not in order")
    }
    let edited = EditedText(UnsafeRawBufferPointer(text.bytes), startingAt: block.text.lowerBound, edits: edits)
    guard edited.text.count > 0 else { return [] }
    return try withExtendedLifetime(edited) {
      let bytes = UnsafeRawBufferPointer(edited.text.bytes)
      if let symbols {
        let transcoded = [
          try EncodedBlock(transcoding: symbols, to: edited, header: header, check: check, reusing: reusing)
        ]
        if try !verify || BlockDecoder.holds(transcoded, check: check, text: bytes) { return transcoded }
      }
      let blocks = try EncodedBlock.encode(
        text: bytes, check: check, storing: storing.map(edited.newRange), workers: workers)
      guard try !verify || BlockDecoder.holds(blocks, check: check, text: bytes) else {
        throw XZError(.use, "liblzma does not decode what it encoded", hint: "check this machine's memory")
      }
      return blocks
    }
  }
}

/// A text after edits.
struct EditedText {
  let text: PaddedBuffer
  /// Their offsets count from the first byte of the old text.
  let edits: [ByteEdit]
  private let start: Int

  /// `old` with `edits`, which are in order and whose offsets count from `start` at its first byte.
  init(_ old: UnsafeRawBufferPointer, startingAt start: Int, edits: [ByteEdit]) {
    self.start = start
    self.edits = edits.map {
      ByteEdit(
        range: $0.range.lowerBound - start..<$0.range.upperBound - start, replacement: $0.replacement)
    }
    let text = PaddedBuffer(count: old.count + edits.growth)
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

  /// What became of `range` of the old text, as far as it lies within: offsets in the new one, from 0.
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
