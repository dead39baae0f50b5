// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat

/// Maps offsets in the old text to offsets in the new text.
struct EditMap {
  let edits: [ByteEdit]
  /// Element `n`: how far the bytes after the first `n` edits have moved.
  private let shifts: [Int]

  init(_ edits: [ByteEdit]) {
    self.edits = edits
    var shifts = [0]
    shifts.reserveCapacity(edits.count + 1)
    for edit in edits { shifts.append((shifts.last ?? 0) + edit.growth) }
    self.shifts = shifts
  }

  /// The offset in the new text of the byte at `offset` in the old text, and how many bytes from there on have moved
  /// with it; for replaced bytes, the offset in the replacement.
  func place(of offset: Int) -> (offset: Int, count: Int) {
    // Find the number of edits that start at or before the offset.
    var low = 0
    var high = edits.count
    while low < high {
      let middle = (low + high) / 2
      if edits[middle].range.lowerBound <= offset { low = middle + 1 } else { high = middle }
    }
    if low > 0, offset < edits[low - 1].range.upperBound {
      return (offset + shifts[low - 1], edits[low - 1].range.upperBound - offset)
    }
    let end = low < edits.count ? edits[low].range.lowerBound : Int.max
    return (offset + shifts[low], end - offset)
  }

  /// How far the bytes after the first `count` edits have moved.
  func shift(after count: Int) -> Int { shifts[count] }
}
