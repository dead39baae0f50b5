// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The range encoder: writes bits to a chunk, each with an adaptive probability.
///
/// It writes at most one byte per bit and does not check how much room is left: before each symbol, the caller ensures
/// room for 64 more bytes. A carry can reach back to the first byte of the chunk, but not further: the sum of all
/// intervals is below one.
struct RangeEncoder {
  typealias Probability = UnsafeMutablePointer<UInt16>

  /// The lower end of the interval: 32 bits, and a carry above them.
  var low: UInt64 = 0
  var range: UInt32 = .max
  /// The address of the next byte.
  var output: UnsafeMutablePointer<UInt8>

  /// Starts a chunk's data, whose first byte is always zero.
  init(_ start: UnsafeMutablePointer<UInt8>) {
    start.pointee = 0
    output = start + 1
  }

  @inline(__always) mutating func normalize() {
    if range < 1 &<< 24 {
      range &<<= 8
      shift()
    }
  }

  @inline(__always) mutating func shift() {
    if low &>> 32 != 0 { Self.carry(output) }
    output.pointee = UInt8(truncatingIfNeeded: low &>> 24)
    output += 1
    low = (low & 0x00ff_ffff) &<< 8
  }

  /// Adds one to the number that ends before `end`.
  @inline(never) private static func carry(_ end: UnsafeMutablePointer<UInt8>) {
    var byte = end - 1
    while byte.pointee == 0xff {
      byte.pointee = 0
      byte -= 1
    }
    byte.pointee &+= 1
  }

  /// Writes the rest of the interval, for decoders that normalise after the last bit.
  mutating func finish() {
    normalize()
    for _ in 0..<4 { shift() }
  }

  @inline(__always) mutating func zero(_ probability: Probability) {
    normalize()
    let value = UInt32(probability.pointee)
    range = (range &>> 11) &* value
    probability.pointee = UInt16(truncatingIfNeeded: value &+ (2048 &- value) &>> 5)
  }

  @inline(__always) mutating func one(_ probability: Probability) {
    normalize()
    let value = UInt32(probability.pointee)
    let bound = (range &>> 11) &* value
    low &+= UInt64(bound)
    range &-= bound
    probability.pointee = UInt16(truncatingIfNeeded: value &- value &>> 5)
  }

  /// Encodes `bit`, 0 or 1, without a branch on it.
  @inline(__always) mutating func encode(_ probability: Probability, _ bit: UInt32) {
    normalize()
    let value = UInt32(probability.pointee)
    let bound = (range &>> 11) &* value
    let mask = 0 &- bit
    low &+= UInt64(bound & mask)
    // bound for a 0, range - bound for a 1, in two steps after the multiplication.
    range = (bound ^ mask) &+ ((range & mask) &- mask)
    let offset = Int32(bitPattern: ~mask) & (31 - 2048)
    probability.pointee = UInt16(
      truncatingIfNeeded: Int32(bitPattern: value) &- ((Int32(bitPattern: value) &+ offset) &>> 5))
  }

  /// Encodes the `count` low bits of `value`, highest first.
  @inline(__always) mutating func tree(_ tree: Probability, _ value: UInt32, _ count: Int) {
    var node = 1
    var position = UInt32(truncatingIfNeeded: count)
    repeat {
      position &-= 1
      let bit = value &>> position & 1
      encode(tree + node, bit)
      node = node &<< 1 | Int(bit)
    } while position != 0
  }

  @inline(__always) mutating func literal(_ table: Probability, _ value: UInt8) {
    var bits = Int(value) | 0x100
    repeat {
      encode(table + bits &>> 8, UInt32(truncatingIfNeeded: bits) &>> 7 & 1)
      bits &<<= 1
    } while bits < 0x1_0000
  }

  /// Encodes a literal with `match`, the byte at the latest distance, as context while the bits agree.
  @inline(__always) mutating func matchedLiteral(_ table: Probability, _ value: UInt8, _ match: UInt8) {
    var offset = 0x100
    var match = Int(match)
    var bits = Int(value) | 0x100
    repeat {
      match &<<= 1
      let matchBit = match & offset
      encode(table + (offset &+ matchBit &+ bits &>> 8), UInt32(truncatingIfNeeded: bits) &>> 7 & 1)
      bits &<<= 1
      offset &= ~(match ^ bits)
    } while bits < 0x1_0000
  }

  /// Encodes the `count` low bits of `value`, lowest first.
  @inline(__always) mutating func reverse(_ tree: Probability, _ value: UInt32, _ count: Int) {
    var node = 1
    var rest = value
    for _ in 0..<count {
      let bit = rest & 1
      rest &>>= 1
      encode(tree + node, bit)
      node = node &<< 1 | Int(bit)
    }
  }

  /// Encodes the `count` low bits of `value`, highest first, with equal probabilities.
  @inline(__always) mutating func direct(_ value: UInt32, _ count: Int) {
    var position = UInt32(truncatingIfNeeded: count)
    while position != 0 {
      position &-= 1
      normalize()
      range &>>= 1
      low &+= UInt64(range & (0 &- (value &>> position & 1)))
    }
  }
}
