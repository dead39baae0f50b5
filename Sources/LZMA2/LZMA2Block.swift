// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// The compressed data of a block that has LZMA2 as its only filter, decoded to text and symbols (The .xz File Format
/// 1.2.0, section 5.3.1).
///
/// Everything is set when the initialiser is done and only read afterwards, so it may be shared.
package final class LZMA2Block: Sendable {
  static let format = "LZMA2"

  /// The text.
  package let text: PaddedBuffer
  let input: PaddedBuffer
  let dictionarySize: Int
  let chunks: [LZMA2Chunk]
  let checkpoints: [Checkpoint]
  let symbols: SymbolList

  /// Decodes `input`, which is at `offset` of its file, to `textCount` bytes.
  ///
  /// Throws `ParseError` if it is damaged or has more or less text; `unsupported` if it is right perhaps, but of a kind
  /// that no encoder at hand makes: a dictionary that is reset after the first chunk. `textCount` and the dictionary's
  /// size have been found acceptable by the caller.
  package init(decoding input: PaddedBuffer, textCount: Int, dictionarySize: Int, offset: Int) throws(ParseError) {
    self.input = input
    self.dictionarySize = dictionarySize
    text = PaddedBuffer(count: textCount)
    symbols = SymbolList(capacity: input.count / 2)
    var parser = ChunkParser(input: input, text: text, symbols: symbols, dictionarySize: dictionarySize, offset: offset)
    while try parser.next() {}
    chunks = parser.chunks
    checkpoints = parser.checkpoints
  }
}
