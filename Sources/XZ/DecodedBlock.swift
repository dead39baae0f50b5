// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// The text of one block in memory, its check verified, ready to be encoded again with edits.
package final class DecodedBlock: Sendable {
  /// A block whose text is larger is refused before memory is taken for it.
  package static let greatestText = 1 << 30
  /// Nor is one decoded whose filters want more memory than this.
  static let greatestDecoder = 320 << 20

  private let block: XZStream.Block
  private let check: XZCheck
  private let text: TextBuffer

  /// Decodes `block` of `stream`, which was parsed from `source`.
  ///
  /// Throws `ParseError` if it is damaged, if its sizes are not those of the index, or if it wants more memory than
  /// anybody's package does; what reading the source throws.
  package init(_ block: XZStream.Block, of stream: XZStream, from source: any RandomAccessBytes) throws {
    guard block.text.count <= Self.greatestText else {
      throw ParseError(
        XZStream.format, at: block.range.lowerBound, .range, "a block of \(block.text.count) bytes of text is too large"
      )
    }
    let file = try source.readBytes(at: block.range.lowerBound, count: block.range.count, format: XZStream.format)
    text = TextBuffer(count: block.text.count)
    try BlockDecoder.decode(file, of: block, check: stream.check, into: text.bytes)
    self.block = block
    check = stream.check
  }

  /// Bytes of the text.
  package var textCount: Int { text.bytes.count }

  /// Calls `body` with the text, which is there as long as the call lasts.
  package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(self) { try body(UnsafeRawBufferPointer(text.bytes)) }
  }

  /// Whether the symbols of the block are known, so that edits cost little; otherwise liblzma encodes its text anew.
  package var canTranscode: Bool { false }

  /// The block with `edits` applied, whose offsets are those of the whole plain text and lie within the block's.
  ///
  /// There is one block, or several if liblzma encoded the text anew, or none if no text is left. `storing` are ranges
  /// of the old plain text that do not compress, and `workers` threads: both only matter to liblzma. With `verify`
  /// liblzma decodes what was made and it is compared. Throws `XZError` if liblzma cannot, or if the edits are not in order.
  package func encode(
    applying edits: [ByteEdit], verify: Bool, storing: [Range<Int>] = [], workers: Int = 1
  ) throws -> [EncodedBlock] {
    guard edits.areOrdered(within: block.text) else {
      throw XZError("edits of the bytes \(block.text.lowerBound) to \(block.text.upperBound) are not in order")
    }
    let edited = EditedText(UnsafeRawBufferPointer(text.bytes), startingAt: block.text.lowerBound, edits: edits)
    let blocks = try EncodedBlock.encode(
      text: edited.bytes, check: check, storing: storing.map(edited.newRange), workers: workers)
    if verify { try BlockDecoder.verify(blocks, check: check, text: edited.bytes) }
    return withExtendedLifetime(edited) { blocks }
  }
}
