// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat

/// Finds the chunks of an edited block that can be copied, because a decoder makes the same text of them as before.
///
/// What a decoder makes of a chunk depends on its own state, on the byte before the chunk, on the text that matches
/// repeat, and on the lowest four bits of the position. So a run of copied chunks starts where the state is reset, no
/// edit touches it or the byte before it, no match reaches back into or across an edit, and the text has moved by a
/// multiple of 16 bytes.
struct CopyPlan {
  /// Consecutive chunks to copy.
  struct Run {
    /// Indices of the chunks; the first one is the block's first, or resets the state.
    let chunks: Range<Int>
    /// The first of these whose state a later chunk depends on; the end if none does.
    let kept: Int
    /// Number of edits before the run.
    let edits: Int
    /// In effect at the end of the run; nil if it has no LZMA chunk.
    let properties: Model.Properties?
    /// The state at the end of the run; nil if the next LZMA chunk resets it.
    let checkpoint: Checkpoint?
  }

  private(set) var runs: [Run] = []

  /// A plan that copies nothing.
  init() {}

  init(_ block: LZMA2Block, edits: EditMap) {
    var start: Int?
    var applied = 0
    var properties: Model.Properties?
    var checkpoints = block.checkpoints[...]
    var checkpoint: Checkpoint?
    for (index, chunk) in block.chunks.enumerated() {
      defer { if case .lzma(let new?) = chunk.content { properties = new } }
      while applied < edits.edits.count, edits.edits[applied].range.upperBound < chunk.textStart { applied += 1 }
      while let next = checkpoints.first, next.chunk <= index { checkpoint = checkpoints.popFirst() }
      if start == nil, index == 0 || chunk.resetsState { start = index }
      guard let first = start else { continue }
      if !Self.isUnchanged(index, in: block, edits, applied) {
        add(first..<index, of: block, applied, properties, checkpoint)
        start = nil
      }
    }
    if let start { add(start..<block.chunks.count, of: block, applied, properties, nil) }
  }

  private mutating func add(
    _ chunks: Range<Int>, of block: LZMA2Block, _ edits: Int, _ properties: Model.Properties?, _ checkpoint: Checkpoint?
  ) {
    let next = block.chunks[chunks.upperBound...].first { !$0.isRaw }
    guard let next, !next.resetsState else {
      guard !chunks.isEmpty else { return }
      runs.append(
        Run(chunks: chunks, kept: chunks.upperBound, edits: edits, properties: properties, checkpoint: nil))
      return
    }
    // The next chunk is encoded again and starts with the state at the end of the run, which only checkpoints have.
    guard let checkpoint, let (model, _) = checkpoint.model, checkpoint.chunk > chunks.lowerBound else { return }
    let copied = chunks.lowerBound..<checkpoint.chunk
    runs.append(
      Run(
        chunks: copied, kept: block.chunks[copied].lastIndex { $0.resetsState } ?? copied.lowerBound, edits: edits,
        properties: model.properties, checkpoint: checkpoint))
  }

  /// Whether the edits, of which the first `applied` end before the chunk, leave it unchanged.
  private static func isUnchanged(_ index: Int, in block: LZMA2Block, _ map: EditMap, _ applied: Int) -> Bool {
    let chunk = block.chunks[index]
    let isLast = index == block.chunks.count - 1
    if applied < map.edits.count {
      // An insertion after the last chunk is encoded as its continuation.
      let next = map.edits[applied].range.lowerBound
      guard next > chunk.textEnd || next == chunk.textEnd && !isLast else { return false }
    }
    guard applied > 0 else { return true }
    guard map.shift(after: applied).isMultiple(of: 16) else { return false }
    guard !chunk.isRaw else { return true }
    let limit = map.edits[applied - 1].range.upperBound
    var position = chunk.textStart
    for number in chunk.firstSymbol..<(isLast ? block.symbols.count : block.chunks[index + 1].firstSymbol) {
      let symbol = Symbol(word: block.symbols.start[number])
      position &+= symbol.run
      if symbol.length > 0, position &- Int(symbol.distance) &- 1 < limit { return false }
      position &+= symbol.length
    }
    return true
  }
}

/// Chunks of an edited block that were copied from the old one, and after which no chunk depends on their state.
package struct CopiedData: Sendable {
  /// Offsets in the new compressed data.
  package let range: Range<Int>
  /// Offset in the old compressed data.
  package let source: Int

  package init(range: Range<Int>, source: Int) {
    self.range = range
    self.source = source
  }
}
