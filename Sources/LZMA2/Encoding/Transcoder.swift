// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// Encodes an edited text with the symbols of the old text, without searching for matches.
struct Transcoder {
  private let block: LZMA2Block
  private let map: EditMap
  private let text: PaddedBuffer
  private let plan: CopyPlan
  /// Copied data that need not be decoded to prove the result.
  private(set) var copied: [CopiedData] = []
  private var writer: ChunkWriter
  private var matcher: ReplacementMatcher
  /// Offset in the old text; everything before it and the first `applied` edits are written.
  private var cursor = 0
  private var applied = 0
  /// Symbols for the text that edits touch.
  private var patch: [UInt64] = []
  /// Bytes of text that `patch` encodes.
  private var patchCount = 0

  /// Creates a transcoder; `text` is the new text.
  ///
  /// With `reusing`, chunks that the edits leave unchanged are copied.
  init(_ block: LZMA2Block, edits: [ByteEdit], text: PaddedBuffer, to output: OutputBuffer, reusing: Bool) {
    self.block = block
    self.text = text
    map = EditMap(edits)
    plan = reusing ? CopyPlan(block, edits: map) : CopyPlan()
    writer = ChunkWriter(text: text, output: output)
    matcher = ReplacementMatcher(text: text.start, dictionarySize: block.dictionarySize)
  }

  mutating func run() {
    var runs = plan.runs[...]
    var index = 0
    while index < block.chunks.count {
      let chunk = block.chunks[index]
      if let run = runs.first, run.chunks.lowerBound == index {
        runs.removeFirst()
        if copy(run) {
          index = run.chunks.upperBound
          continue
        }
      }
      index += 1
      switch chunk.content {
      case .raw: raw(chunk)
      case .lzma(let properties):
        if chunk.reset >= .state { writer.reset(properties) }
        let end = index < block.chunks.count ? block.chunks[index].firstSymbol : block.symbols.count
        encode(chunk.firstSymbol..<end, at: chunk.textStart)
      }
    }
    // Insertions after the last byte.
    if applied < map.edits.count {
      if block.chunks.last?.isRaw ?? true || !writer.hasModel {
        applied = map.edits.count
        writer.raw(to: text.count)
      } else {
        while applied < map.edits.count { applyEdit() }
        writePatch()
      }
    }
    writer.finish()
  }

  /// Copies the chunks; returns false if the chunks before them do not let that happen.
  private mutating func copy(_ run: CopyPlan.Run) -> Bool {
    let chunks = block.chunks[run.chunks]
    guard let first = chunks.first, let last = chunks.last, cursor == first.textStart, applied == run.edits,
      writer.canContinue(with: first)
    else { return false }
    let start = writer.output.count
    writer.copy(
      UnsafeBufferPointer(start: block.input.start + first.offset, count: last.end - first.offset),
      to: last.textEnd + map.shift(after: applied), properties: run.properties, checkpoint: run.checkpoint)
    if run.kept > run.chunks.lowerBound {
      let count = block.chunks[run.kept - 1].end - first.offset
      copied.append(CopiedData(range: start..<start + count, source: first.offset))
    }
    cursor = last.textEnd
    return true
  }

  /// Writes the text of a raw chunk as raw, with the edits that start in it.
  private mutating func raw(_ chunk: LZMA2Chunk) {
    writer.endChunk()
    while applied < map.edits.count, map.edits[applied].range.lowerBound < chunk.textEnd {
      cursor = max(cursor, map.edits[applied].range.upperBound)
      applied += 1
    }
    let end = max(cursor, chunk.textEnd)
    // If the cursor is past the chunk, it is at the end of an edit, so the shift applies there.
    writer.raw(to: end + map.shift(after: applied))
    cursor = end
  }

  private mutating func encode(_ range: Range<Int>, at start: Int) {
    var stop = ChunkWriter.Stop(index: range.lowerBound, literals: 0)
    /// Offset in the old text of the symbol at `stop`.
    var position = start
    while stop.index < range.upperBound {
      if position + stop.literals == cursor {
        let shift = map.shift(after: applied)
        let segmentStart = applied > 0 ? map.edits[applied - 1].range.upperBound + shift : 0
        let segmentEnd = applied < map.edits.count ? map.edits[applied].range.lowerBound + shift : text.count
        stop = writer.encode(
          block.symbols.start, from: stop, to: range.upperBound, within: segmentStart..<segmentEnd)
        cursor = writer.position - shift
        position = cursor - stop.literals
      }
      guard stop.index < range.upperBound else { return }
      let symbol = Symbol(word: block.symbols.start[stop.index])
      let matchStart = position + symbol.run
      add(to: matchStart, distance: nil)
      add(to: matchStart + symbol.length, distance: Int(symbol.distance) + 1)
      writePatch()
      position = matchStart + symbol.length
      stop = ChunkWriter.Stop(index: stop.index + 1, literals: 0)
    }
  }

  /// Adds the old text up to `end` that is neither written nor replaced, with the edits in it.
  private mutating func add(to end: Int, distance: Int?) {
    while cursor < end {
      let next = applied < map.edits.count ? map.edits[applied].range.lowerBound : Int.max
      guard next > cursor else {
        applyEdit()
        continue
      }
      let pieceEnd = min(end, next)
      if let distance { addMatch(to: pieceEnd, distance) } else { addLiterals(pieceEnd - cursor) }
      cursor = pieceEnd
    }
  }

  private mutating func applyEdit() {
    let edit = map.edits[applied]
    let end = writer.position + patchCount + edit.replacement.count
    while let match = matcher.nextMatch(in: writer.position + patchCount..<end) {
      addLiterals(match.start - writer.position - patchCount)
      addMatch(match.length, match.distance)
    }
    addLiterals(end - writer.position - patchCount)
    cursor = max(cursor, edit.range.upperBound)
    applied += 1
  }

  private mutating func addLiterals(_ count: Int) {
    var left = count
    while left > 0 {
      let run = min(left, Symbol.greatestRun)
      patch.append(Symbol(run: run, kind: Symbol.Kind.none, length: 0, distance: 0).word)
      left -= run
    }
    patchCount += count
  }

  /// Adds the old text from the cursor to `end`, which was a match at `distance` and has no edits: as matches where the
  /// new text has the same bytes within the dictionary, otherwise as literals.
  private mutating func addMatch(to end: Int, _ distance: Int) {
    var offset = cursor
    while offset < end {
      let target = writer.position + patchCount
      let source = map.place(of: offset - distance)
      let newDistance = target - source.offset
      let count = min(end - offset, source.count)
      var same = 0
      if newDistance > 0, newDistance <= target, newDistance <= block.dictionarySize {
        while same < count, text.start[target + same] == text.start[target + same - newDistance] { same += 1 }
      }
      if same == 0 {
        addLiterals(1)
        same = 1
      } else {
        addMatch(same, newDistance)
      }
      offset += same
    }
  }

  private mutating func addMatch(_ length: Int, _ distance: Int) {
    // The encoder chooses the kind.
    patch.append(
      Symbol(run: 0, kind: Symbol.Kind.anew, length: length, distance: UInt32(truncatingIfNeeded: distance - 1)).word)
    patchCount += length
  }

  private mutating func writePatch() {
    patch.withUnsafeBufferPointer { symbols in
      guard let start = symbols.baseAddress else { return }
      _ = writer.encode(start, from: ChunkWriter.Stop(index: 0, literals: 0), to: symbols.count, within: 0..<text.count)
    }
    patch.removeAll(keepingCapacity: true)
    patchCount = 0
  }
}

extension LZMA2Block {
  /// An estimate of the data's size in bytes with `edits`, rarely exceeded.
  package func likelySize(with edits: [ByteEdit]) -> Int {
    input.count + input.count / 8 + edits.reduce(0) { $0 + $1.replacement.count * 9 / 8 } + (1 << 17)
  }

  /// Writes the compressed data of the text with `edits` applied; they are in order, with offsets from the first byte.
  ///
  /// `text` is the new text and not empty. With `reusing`, chunks that the edits leave unchanged are copied. Returns the
  /// copied data that `VerificationStream` skips.
  @discardableResult
  package func encode(
    applying edits: [ByteEdit], text: PaddedBuffer, to output: OutputBuffer, reusing: Bool = true
  ) -> [CopiedData] {
    var transcoder = Transcoder(self, edits: edits, text: text, to: output, reusing: reusing)
    transcoder.run()
    return transcoder.copied
  }
}
