// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import TestSupport
import Testing

@Suite struct ByteComparisonTests {
  private let content = (0..<600_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }

  @Test func equalBytesMatchInPiecesOfAnySize() throws {
    for size in [1000, 4096, 262_144, 262_145, 600_000] {
      var comparison = ByteComparison(with: content)
      for start in stride(from: 0, to: content.count, by: size) {
        #expect(try comparison.matches(Array(content[start..<min(start + size, content.count)])))
      }
      #expect(comparison.isComplete && comparison.count == content.count)
    }
    #expect(try ByteComparison.areEqual(content, content) && ByteComparison.areEqual([], []))
  }

  @Test func anyOtherByteIsFound() throws {
    for offset in [0, 1, 262_143, 262_144, 599_999] {
      var other = content
      other[offset] ^= 0x80
      #expect(try !ByteComparison.areEqual(content, other))
    }
    #expect(try !ByteComparison.areEqual(content, Array(content.dropLast())))
    var comparison = ByteComparison(with: content, from: 599_990)
    #expect(try comparison.matches(Array(content[599_990..<599_995])) && !comparison.isComplete)
    #expect(try !comparison.matches(Array(content[599_995...]) + [0]))
  }
}
