// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// A block whose only filter is LZMA2, decoded to text (the uncompressed data) and symbols (The .xz File Format 1.2.0,
/// section 5.3.1).
///
/// Immutable after initialisation, so it may be shared.
package final class LZMA2Block: Sendable {
  static let format = "LZMA2"

  /// The uncompressed data.
  package let text: PaddedBuffer
  let input: PaddedBuffer
  let dictionarySize: Int
  let chunks: [LZMA2Chunk]
  let checkpoints: [Checkpoint]
  let symbols: SymbolList

  /// Decodes `input`, which is at `offset` of its file, to `textCount` bytes.
  ///
  /// Throws `ParseError` if the data is damaged or the text has another size; `unsupported` for features that common
  /// encoders do not use: a dictionary reset after the first chunk. The caller has checked that `textCount` and
  /// `dictionarySize` are acceptable. `buffers` provides the memory.
  package init(
    decoding input: PaddedBuffer, textCount: Int, dictionarySize: Int, offset: Int,
    buffers: any BufferSource = HeapBuffers()
  ) throws(ParseError) {
    self.input = input
    self.dictionarySize = dictionarySize
    text = PaddedBuffer(count: textCount, from: buffers)
    symbols = SymbolList(capacity: input.count / 2, from: buffers)
    var parser = ChunkParser(input: input, text: text, symbols: symbols, dictionarySize: dictionarySize, offset: offset)
    while try parser.next() {}
    chunks = parser.chunks
    checkpoints = parser.checkpoints
  }
}
