// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The compressed data of an edited block, as a decoder needs it for verification: copied chunks are replaced by
/// uncompressed ones with their text.
///
/// This proves that the block decodes to the text, and decodes nothing again that was decoded before the edits. Each
/// copied run has the same bytes as before, starts with a reset of the state, and repeats only text that has not
/// changed (`CopyPlan`), so it decodes to the same text as before. A decoder does not depend on its state after the run,
/// because the next LZMA chunk resets it. All other chunks are decoded, with exactly the same text before them.
package struct VerificationStream {
  /// The old block.
  private let block: LZMA2Block
  private let data: UnsafeRawBufferPointer
  private let text: UnsafeRawBufferPointer
  private var copied: ArraySlice<CopiedData>
  private var offset = 0
  private var position = 0
  /// In effect at `offset`, as in a chunk's header.
  private var properties: UInt8 = 0
  /// Whether copied chunks, and with them possibly properties, were replaced since the last LZMA chunk.
  private var lacksProperties = false

  private static let greatestRaw = 1 << 16

  /// `data` is the new data of `block`, with `copied` from the old data, and `text` is the new text.
  package init(
    _ data: UnsafeRawBufferPointer, of block: LZMA2Block, copied: [CopiedData], text: UnsafeRawBufferPointer
  ) {
    self.block = block
    self.data = data
    self.text = text
    self.copied = copied[...]
  }

  /// Calls `body` with the stream's pieces, in order, and returns false if the data has an error.
  package mutating func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows -> Bool {
    while let chunk = chunk(at: offset) {
      if let copy = copied.first, copy.range.lowerBound == offset {
        copied.removeFirst()
        guard let end = textEnd(of: copy) else { return false }
        try replace(to: end, body)
        offset = copy.range.upperBound
        lacksProperties = true
        continue
      }
      let whole = UnsafeRawBufferPointer(rebasing: data[offset..<chunk.end])
      if let reset = chunk.reset, lacksProperties {
        guard reset >= .state else { return false }
        var header = Array(whole.prefix(5))
        if reset == .state {
          // The properties are those in effect, so saying so changes nothing.
          header[0] = 0xc0 | header[0] & 0x1f
          header.append(properties)
        }
        try header.withUnsafeBytes(body)
        try body(UnsafeRawBufferPointer(rebasing: whole[5...]))
        lacksProperties = false
      } else {
        try body(whole)
      }
      if let new = chunk.properties { properties = new }
      offset = chunk.end
      position += chunk.textCount
    }
    guard copied.isEmpty, position == text.count, offset == data.count - 1, data[offset] == 0 else { return false }
    try body(UnsafeRawBufferPointer(rebasing: data[offset...]))
    return true
  }

  /// Calls `body` with uncompressed chunks for the text up to `end`.
  private mutating func replace(to end: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
    while position < end {
      let piece = UnsafeRawBufferPointer(rebasing: text[position..<min(end, position + Self.greatestRaw)])
      let size = piece.count - 1
      try withUnsafeBytes(of: (UInt8(position == 0 ? 1 : 2), UInt8(size >> 8), UInt8(size & 0xff)), body)
      try body(piece)
      position += piece.count
    }
  }

  /// The end of the copied chunks' text, and updates the properties; nil if the chunks differ from those of the old
  /// block, or depend on the state before them.
  private mutating func textEnd(of copy: CopiedData) -> Int? {
    guard copy.range.upperBound <= data.count, copy.source + copy.range.count <= block.input.count else { return nil }
    let old = UnsafeRawBufferPointer(rebasing: block.input.bytes[copy.source...].prefix(copy.range.count))
    guard UnsafeRawBufferPointer(rebasing: data[copy.range]).hasSameBytes(as: old) else { return nil }
    var end = position
    var next = copy.range.lowerBound
    var isReset = false
    while next < copy.range.upperBound, let chunk = chunk(at: next) {
      if let reset = chunk.reset {
        guard isReset || reset >= .state else { return nil }
        isReset = true
      }
      if let new = chunk.properties { properties = new }
      end += chunk.textCount
      next = chunk.end
    }
    return next == copy.range.upperBound && end <= text.count ? end : nil
  }

  private struct Chunk {
    /// Offset of the next chunk.
    let end: Int
    let textCount: Int
    /// Nil for an uncompressed chunk.
    let reset: LZMA2Chunk.Reset?
    let properties: UInt8?
  }

  /// The chunk at `offset`; nil at the end marker, and if the data is truncated.
  private func chunk(at offset: Int) -> Chunk? {
    guard offset + 3 < data.count, data[offset] != 0 else { return nil }
    let control = data[offset]
    let low = Int(data[offset + 1]) << 8 + Int(data[offset + 2]) + 1
    guard control >= 0x80 else {
      let end = offset + 3 + low
      return end < data.count ? Chunk(end: end, textCount: low, reset: nil, properties: nil) : nil
    }
    guard offset + 6 < data.count, let reset = LZMA2Chunk.Reset(rawValue: Int(control >> 5 & 3)) else { return nil }
    let size = Int(data[offset + 3]) << 8 + Int(data[offset + 4]) + 1
    let end = offset + (reset >= .properties ? 6 : 5) + size
    guard end < data.count else { return nil }
    return Chunk(
      end: end, textCount: Int(control & 0x1f) << 16 + low, reset: reset,
      properties: reset >= .properties ? data[offset + 5] : nil)
  }
}

extension UnsafeRawBufferPointer {
  /// Whether the bytes of both are the same; eight at a time, which the compiler turns into vectors.
  fileprivate func hasSameBytes(as other: UnsafeRawBufferPointer) -> Bool {
    guard count == other.count else { return false }
    let words = count / 8
    var difference: UInt64 = 0
    for index in 0..<words {
      difference |=
        loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)
        ^ other.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)
    }
    return difference == 0 && self[(words * 8)...].elementsEqual(other[(words * 8)...])
  }
}
