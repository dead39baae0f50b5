// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import TestSupport

/// Damages inputs: bytes, numbers, pieces and lines are changed, removed, repeated, and mixed with other inputs.
struct Mutator {
  private let seeds: [[UInt8]]
  private var random: SeededGenerator

  /// Larger inputs only take longer.
  private static let sizeLimit = 1 << 18
  /// Numbers at the limits of their types.
  private static let numbers: [UInt64] = [
    0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 62, 1 << 63, .max,
  ]
  private static let words = ["0", "-1", "4294967296", "9223372036854775807", "99999999999999999999", "\r\n", "\0"]

  init(seeds: [[UInt8]], seed: UInt64) {
    self.seeds = seeds
    random = SeededGenerator(seed: seed)
  }

  mutating func next() -> [UInt8] {
    var bytes = seeds[below(seeds.count)]
    for _ in 0...below(5) { mutate(&bytes) }
    return Array(bytes.prefix(Self.sizeLimit))
  }

  private mutating func mutate(_ bytes: inout [UInt8]) {
    guard !bytes.isEmpty else { return bytes.append(UInt8(below(256))) }
    let place = below(bytes.count)
    let piece = place..<min(bytes.count, place + 1 + below(64))
    switch below(10) {
    case 0: bytes[place] ^= 1 << UInt8(below(8))
    case 1: bytes[place] = UInt8(below(256))
    case 2: put(number(), at: place, in: &bytes)
    case 3: bytes.removeSubrange(piece)
    case 4: bytes.insert(contentsOf: bytes[piece], at: place)
    // Many copies show what takes more than linear time.
    case 5 where below(8) == 0:
      let copies = min(1 + below(4096), Self.sizeLimit / piece.count)
      bytes.insert(contentsOf: repeatElement(bytes[piece], count: copies).joined(), at: place)
    case 6: bytes.removeSubrange(place...)
    case 7:
      let other = seeds[below(seeds.count)]
      bytes.replaceSubrange(place..., with: other.dropFirst(below(other.count + 1)))
    case 8: put(Array(Self.words[below(Self.words.count)].utf8), at: place, in: &bytes)
    default: bytes[place] = [0, 0x0a, 0x20, 0x2f, 0x7f, 0xff][below(6)]
    }
  }

  /// A number of one to eight bytes in either byte order.
  private mutating func number() -> [UInt8] {
    let value = Self.numbers[below(Self.numbers.count)] &+ UInt64(below(3)) &- 1
    let bytes = (0..<[1, 2, 4, 8][below(4)]).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
    return below(2) == 0 ? bytes : bytes.reversed()
  }

  private func put(_ piece: [UInt8], at place: Int, in bytes: inout [UInt8]) {
    bytes.replaceSubrange(place..<min(bytes.count, place + piece.count), with: piece)
  }

  private mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }
}
