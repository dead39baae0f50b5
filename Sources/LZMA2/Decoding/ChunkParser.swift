// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// Parses the chunks of a block one by one.
struct ChunkParser {
  private let input: PaddedBuffer
  private let text: PaddedBuffer
  private let symbols: SymbolList
  private let decoder: ChunkDecoder
  /// Offset of `input` in its file.
  private let fileOffset: Int
  private let probabilities = Probabilities()
  private var model: Model?
  private var offset = 0
  private var position = 0
  private(set) var chunks: [LZMA2Chunk] = []
  private(set) var checkpoints: [Checkpoint] = []
  /// Bytes of text between two checkpoints: small enough that little is coded twice, large enough that checkpoints need
  /// little memory.
  private let checkpointDistance: Int

  init(input: PaddedBuffer, text: PaddedBuffer, symbols: SymbolList, dictionarySize: Int, offset: Int) {
    self.input = input
    self.text = text
    self.symbols = symbols
    fileOffset = offset
    decoder = ChunkDecoder(text: text.start, dictionarySize: dictionarySize, symbols: symbols)
    checkpointDistance = max(128 << 10, text.count / 256)
  }

  /// Decodes the next chunk.
  ///
  /// Returns false at the end of both input and text.
  mutating func next() throws(ParseError) -> Bool {
    guard let chunk = try header() else {
      guard offset == input.count - 1 else { throw error(.trailingBytes, "data after the end marker") }
      guard position == text.count else { throw error(.range, "the uncompressed data is shorter than the index says") }
      return false
    }
    guard chunk.textCount <= text.count - position else {
      throw error(.range, "the uncompressed data is longer than the index says")
    }
    guard chunk.headerSize + chunk.dataCount <= input.count - offset else {
      throw error(.truncated, "a chunk is longer than its block")
    }
    addCheckpoint(before: chunk)
    chunks.append(chunk)
    let data = input.start + offset + chunk.headerSize
    switch chunk.content {
    case .raw:
      // The data is as long as its text; both ranges were checked above.
      (text.start + position).update(from: data, count: chunk.dataCount)
    case .lzma(let properties):
      if let properties { model = Model(properties: properties) }
      if chunk.reset >= .state, let kept = model?.properties {
        model = Model(properties: kept)
        probabilities.reset()
      }
      guard var model else { throw error(.range, "the first LZMA chunk has no properties") }
      switch decoder.decode(
        &model, probabilities: probabilities.start, from: data, count: chunk.dataCount, at: position, to: chunk.textEnd)
      {
      case .done: break
      case .distance: throw error(.range, "a match starts before the dictionary")
      case .length: throw error(.range, "a match extends past its chunk")
      case .input: throw error(.range, "the size of a chunk does not match its content")
      }
      self.model = model
    }
    offset += chunk.headerSize + chunk.dataCount
    position = chunk.textEnd
    return true
  }

  /// The header of the next chunk; nil at the end marker.
  private func header() throws(ParseError) -> LZMA2Chunk? {
    func byte(_ index: Int) throws(ParseError) -> Int {
      guard offset + index < input.count else { throw error(.truncated, "the data ends in the middle of a chunk") }
      return Int(input.start[offset + index])
    }
    let control = try byte(0)
    if control == 0 { return nil }
    guard control <= 2 || control >= 0x80 else { throw error(.unsupported, "unknown control byte \(control)") }
    let reset: LZMA2Chunk.Reset =
      switch control {
      case 1, 0xe0...: .dictionary
      case 0xc0...: .properties
      case 0xa0...: .state
      default: .none
      }
    guard (reset == .dictionary) == chunks.isEmpty else {
      if chunks.isEmpty { throw error(.range, "the first chunk does not reset the dictionary") }
      throw error(.unsupported, "a later chunk resets the dictionary")
    }
    let low = try byte(1) << 8 + byte(2) + 1
    guard control >= 0x80 else {
      return LZMA2Chunk(
        content: .raw, reset: reset, offset: offset, headerSize: 3, dataCount: low, textStart: position, textCount: low,
        firstSymbol: symbols.count)
    }
    let dataCount = try byte(3) << 8 + byte(4) + 1
    // The range coder alone needs five.
    guard dataCount >= 5 else { throw error(.range, "an LZMA chunk of \(dataCount) bytes is too short") }
    var properties: Model.Properties?
    if reset >= .properties {
      properties = Model.Properties(UInt8(truncatingIfNeeded: try byte(5)))
      guard properties != nil else { throw error(.range, "invalid LZMA2 properties") }
    }
    return LZMA2Chunk(
      content: .lzma(properties: properties), reset: reset, offset: offset, headerSize: reset >= .properties ? 6 : 5,
      dataCount: dataCount, textStart: position, textCount: (control & 0x1f) << 16 + low, firstSymbol: symbols.count)
  }

  private mutating func addCheckpoint(before chunk: LZMA2Chunk) {
    if let last = checkpoints.last, position - chunks[last.chunk].textStart < checkpointDistance { return }
    let values = model.map { UnsafeBufferPointer(start: probabilities.start, count: $0.probabilityCount) }
    checkpoints.append(
      Checkpoint(chunk: chunks.count, model: model.flatMap { model in values.map { (model, Array($0)) } }))
  }

  private func error(_ rule: ParseError.Rule, _ detail: Message) -> ParseError {
    ParseError(LZMA2Block.format, at: fileOffset + offset, rule, detail)
  }
}
