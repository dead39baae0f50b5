// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Damaged variants of an input, identical in every run.
package struct Mutations: Sequence, IteratorProtocol {
  private let original: [UInt8]
  private var left: Int
  private var state: UInt64

  /// `count` variants of `original`, which must not be empty.
  package init(of original: [UInt8], count: Int, seed: UInt64 = 0x9e37_79b9_7f4a_7c15) {
    self.original = original
    left = count
    state = seed
  }

  /// The next variant: one to four bytes overwritten, and in one of four a piece removed or duplicated.
  package mutating func next() -> [UInt8]? {
    guard left > 0 else { return nil }
    left -= 1
    var bytes = original
    for _ in 0...random(below: 4) {
      bytes[random(below: bytes.count)] =
        [0, 1, 0x7f, 0x80, 0xff, UInt8(truncatingIfNeeded: random(below: 256))][random(below: 6)]
    }
    if random(below: 4) == 0 {
      let start = random(below: bytes.count)
      let piece = bytes[start...].prefix(1 + random(below: 16))
      if random(below: 2) == 0 {
        bytes.removeSubrange(piece.indices)
      } else {
        bytes.insert(contentsOf: piece, at: start)
      }
    }
    return bytes
  }

  /// Marsaglia's xorshift64.
  private mutating func random(below bound: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int(state % UInt64(bound))
  }
}
