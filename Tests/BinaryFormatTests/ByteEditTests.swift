// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Testing

@Suite struct ByteEditTests {
  private static func edits(_ ranges: [Range<Int>]) -> [ByteEdit] {
    ranges.map { ByteEdit(range: $0, replacement: [1, 2]) }
  }

  @Test(arguments: [[], [0..<0], [0..<10], [0..<0, 0..<3, 3..<3, 3..<4, 10..<10]])
  func consecutiveEditsAreOrdered(_ ranges: [Range<Int>]) {
    #expect(Self.edits(ranges).areOrdered(within: 0..<10))
  }

  @Test(arguments: [[-1..<0], [0..<11], [3..<5, 4..<6], [5..<6, 1..<2], [11..<11]])
  func overlappingOrOutOfRangeEditsAreNotOrdered(_ ranges: [Range<Int>]) {
    #expect(!Self.edits(ranges).areOrdered(within: 0..<10))
  }

  @Test func growthIsInsertedMinusRemovedBytes() {
    #expect(Self.edits([0..<0]).growth == 2)
    #expect(Self.edits([0..<1, 4..<10]).growth == -3)
  }
}
