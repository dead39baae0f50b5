// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat

/// A text after edits.
struct EditedText {
  private let text: TextBuffer
  private let start: Int
  private let edits: [ByteEdit]

  /// `old` with `edits`, which are in order and whose offsets count from `start` at its first byte.
  init(_ old: UnsafeRawBufferPointer, startingAt start: Int, edits: [ByteEdit]) {
    self.start = start
    self.edits = edits
    text = TextBuffer(count: old.count + edits.growth)
    var source = 0
    var target = 0
    func put(_ bytes: UnsafeRawBufferPointer) {
      UnsafeMutableRawBufferPointer(rebasing: text.bytes[target..<target + bytes.count]).copyMemory(from: bytes)
      target += bytes.count
    }
    for edit in edits {
      put(UnsafeRawBufferPointer(rebasing: old[source..<edit.range.lowerBound - start]))
      edit.replacement.withUnsafeBytes(put)
      source = edit.range.upperBound - start
    }
    put(UnsafeRawBufferPointer(rebasing: old[source...]))
  }

  /// The new text, valid while this value lives.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(text.bytes) }

  /// What became of `range` of the old text, as far as it lies within: offsets in the new one, from 0.
  func newRange(_ range: Range<Int>) -> Range<Int> {
    let lower = newOffset(range.lowerBound, includingInsertion: false)
    return lower..<max(lower, newOffset(range.upperBound, includingInsertion: true))
  }

  private func newOffset(_ offset: Int, includingInsertion: Bool) -> Int {
    var moved = offset - start
    for edit in edits {
      guard includingInsertion ? edit.range.lowerBound <= offset : edit.range.lowerBound < offset else { break }
      moved += edit.range.upperBound <= offset ? edit.growth : edit.range.lowerBound - offset + edit.replacement.count
    }
    return min(max(0, moved), text.bytes.count)
  }
}
