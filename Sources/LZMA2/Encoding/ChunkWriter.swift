// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Writes symbols and raw bytes as chunks, split at the same places as in liblzma.
struct ChunkWriter {
  /// A chunk being written, with room reserved for its header.
  private struct Open {
    var encoder: SymbolEncoder
    var headerSize: Int
    var textStart: Int
    /// The chunk is full once the coder has written past this address.
    var dataEnd: UnsafeMutablePointer<UInt8>
  }

  /// liblzma ends a chunk once its size, including the final bytes, exceeds 64 KiB minus the most that it can write
  /// between two checks.
  private static let greatestData = (1 << 16) - 4098
  private static let greatestText = (1 << 21) - 273
  /// Header and data of a chunk, with room for the last symbol.
  private static let greatestChunk = 6 + (1 << 16)
  private static let greatestRaw = 1 << 16

  let output: OutputBuffer
  private let text: PaddedBuffer
  private let probabilities = Probabilities()
  private var model: Model?
  private var open: Open?
  /// What the next chunk must reset.
  private var reset = LZMA2Chunk.Reset.dictionary
  private var closedPosition = 0

  init(text: PaddedBuffer, output: OutputBuffer) {
    self.text = text
    self.output = output
  }

  /// Bytes of text written so far.
  var position: Int { open?.encoder.position ?? closedPosition }

  /// Whether symbols can be encoded, which requires properties.
  var hasModel: Bool { model != nil }

  /// Makes the next chunk reset the probabilities, and set `properties` if not nil.
  mutating func reset(_ properties: Model.Properties?) {
    endChunk()
    if let properties {
      model = Model(properties: properties)
      reset = max(reset, .properties)
    } else if let kept = model?.properties {
      model = Model(properties: kept)
      reset = max(reset, .state)
    }
    probabilities.reset()
  }

  /// Ends the open chunk, and returns whether `chunk` resets all that must be reset now.
  mutating func canContinue(with chunk: LZMA2Chunk) -> Bool {
    endChunk()
    return chunk.reset >= reset
  }

  /// Writes `chunks`, which contain the text up to `end`.
  ///
  /// `properties` are those that the chunks leave in effect; nil if all are raw. `checkpoint` has the state after them;
  /// nil if the next LZMA chunk resets it.
  mutating func copy(
    _ chunks: UnsafeBufferPointer<UInt8>, to end: Int, properties: Model.Properties?, checkpoint: Checkpoint?
  ) {
    guard let start = chunks.baseAddress else { return }
    output.append(start, count: chunks.count)
    closedPosition = end
    reset = properties == nil ? .properties : .none
    model = properties.map { Model(properties: $0) }
    if let (model, values) = checkpoint?.model {
      self.model = model
      probabilities.copy(values)
    }
  }

  /// Writes the text up to `end` uncompressed.
  mutating func raw(to end: Int) {
    endChunk()
    while closedPosition < end {
      let count = min(end - closedPosition, Self.greatestRaw)
      raw(count)
      // A raw chunk resets only the dictionary; LZMA must still reset the rest.
      if reset == .dictionary { reset = .properties }
    }
  }

  private mutating func raw(_ count: Int) {
    output.append(reset == .dictionary ? 1 : 2)
    output.append(UInt8(truncatingIfNeeded: (count - 1) >> 8))
    output.append(UInt8(truncatingIfNeeded: count - 1))
    output.append(text.start + closedPosition, count: count)
    closedPosition += count
  }

  /// Where encoding stopped.
  struct Stop {
    /// Index of the first symbol not fully encoded, or the end.
    var index: Int
    /// Number of its literals that are encoded.
    var literals: Int
  }

  /// Encodes `symbols` from `start` to `end`, and stops before a symbol that ends after `segment` or a match whose
  /// source starts before it; `segment` has offsets in the text.
  mutating func encode(_ symbols: UnsafePointer<UInt64>, from start: Stop, to end: Int, within segment: Range<Int>)
    -> Stop
  {
    var stop = start
    while stop.index < end {
      if open == nil { beginChunk() }
      guard var chunk = open else { return stop }
      let isFull = Self.encode(symbols, &stop, end, segment, &chunk)
      open = chunk
      guard isFull else { return stop }
      endChunk()
    }
    return stop
  }

  /// Encodes into one chunk; returns true if the chunk is full.
  private static func encode(
    _ symbols: UnsafePointer<UInt64>, _ stop: inout Stop, _ end: Int, _ segment: Range<Int>, _ chunk: inout Open
  ) -> Bool {
    var encoder = chunk.encoder
    let textEnd = chunk.textStart + greatestText
    let dataEnd = chunk.dataEnd
    var index = stop.index
    var done = stop.literals
    var isFull = false
    defer {
      chunk.encoder = encoder
      stop = Stop(index: index, literals: done)
    }
    while index < end {
      let symbol = Symbol(word: symbols[index])
      var run = symbol.run &- done
      guard encoder.position &+ run &+ symbol.length <= segment.upperBound else { return false }
      while run > 0 {
        guard encoder.coder.output <= dataEnd, encoder.position < textEnd else {
          isFull = true
          break
        }
        encoder.literal()
        run &-= 1
      }
      done = symbol.run &- run
      if isFull { return true }
      if symbol.length != 0 {
        guard encoder.coder.output <= dataEnd, encoder.position < textEnd else { return true }
        let distance = symbol.distance
        guard encoder.position &- segment.lowerBound > Int(distance) else { return false }
        encoder.match(symbol)
      }
      index &+= 1
      done = 0
    }
    return false
  }

  private mutating func beginChunk() {
    guard let model else { return }
    let header = output.reserve(Self.greatestChunk)
    let headerSize = reset >= .properties ? 6 : 5
    open = Open(
      encoder: SymbolEncoder(
        model, probabilities: probabilities.start, text: text.start, at: closedPosition,
        coder: RangeEncoder(header + headerSize)),
      headerSize: headerSize, textStart: closedPosition, dataEnd: header + headerSize + Self.greatestData - 4)
  }

  /// Ends the open chunk, if any.
  mutating func endChunk() {
    guard var chunk = open else { return }
    open = nil
    let textCount = chunk.encoder.position - chunk.textStart
    guard textCount > 0 else { return }
    chunk.encoder.coder.finish()
    let header = output.reserve(0)
    let dataCount = chunk.encoder.coder.output - header - chunk.headerSize
    guard dataCount < textCount else {
      // Incompressible, so store it raw. A decoder does not see what the coder learned, so reset.
      raw(to: closedPosition + textCount)
      reset(nil)
      return
    }
    header[0] = 0x80 | UInt8(truncatingIfNeeded: reset.rawValue << 5 | (textCount - 1) >> 16)
    header[1] = UInt8(truncatingIfNeeded: (textCount - 1) >> 8)
    header[2] = UInt8(truncatingIfNeeded: textCount - 1)
    header[3] = UInt8(truncatingIfNeeded: (dataCount - 1) >> 8)
    header[4] = UInt8(truncatingIfNeeded: dataCount - 1)
    if reset >= .properties, let properties = model?.properties { header[5] = properties.byte }
    output.commit(chunk.headerSize + dataCount)
    reset = .none
    closedPosition += textCount
    model?.take(chunk.encoder)
  }

  /// Ends the block's data.
  mutating func finish() {
    endChunk()
    output.append(0)
  }
}

extension Model {
  /// Continues where `encoder` ended.
  fileprivate mutating func take(_ encoder: SymbolEncoder) {
    state = encoder.state
    rep0 = encoder.rep0
    rep1 = encoder.rep1
    rep2 = encoder.rep2
    rep3 = encoder.rep3
  }
}
