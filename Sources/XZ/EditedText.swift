// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import LZMA2

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
