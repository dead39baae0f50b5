// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The range decoder: reads bits from a chunk, each with an adaptive probability.
///
/// It reads at most one byte per bit and does not check where the input ends: the caller checks after each symbol
/// whether `input` has passed the chunk's end. A symbol has at most 48 bits and the input's buffer has more padding, so
/// every read is within the buffer. Table indices are built from decoded bits and bounded by construction. Loads ahead of
/// time reach at most 64 probabilities past a table for distances, and other tables follow there.
struct RangeDecoder {
  typealias Probability = UnsafeMutablePointer<UInt16>

  var range: UInt32 = .max
  var code: UInt32
  /// The next byte.
  var input: UnsafePointer<UInt8>

  /// Reads the first five bytes of a chunk; the caller has checked that they exist.
  init(_ start: UnsafePointer<UInt8>) {
    code = UInt32(start[1]) &<< 24 | UInt32(start[2]) &<< 16 | UInt32(start[3]) &<< 8 | UInt32(start[4])
    input = start + 5
  }

  @inline(__always) mutating func normalize() {
    if range < 1 &<< 24 {
      range &<<= 8
      code = code &<< 8 | UInt32(input.pointee)
      input += 1
    }
  }

  /// Decodes a bit that a branch depends on.
  @inline(__always) mutating func isOne(_ probability: Probability) -> Bool {
    let value = UInt32(probability.pointee)
    let bound = (range &>> 11) &* value
    if code < bound {
      range = bound
      probability.pointee = UInt16(truncatingIfNeeded: value &+ ((2048 &- value) &>> 5))
      normalize()
      return false
    }
    range &-= bound
    code &-= bound
    probability.pointee = UInt16(truncatingIfNeeded: value &- (value &>> 5))
    normalize()
    return true
  }

  /// Returns all ones for a 0 bit and zero for a 1 bit, without a branch: the bits are hard to predict.
  ///
  /// `value` is the one at `probability`, which the caller has loaded ahead of time.
  @inline(__always) private mutating func zeroMask(_ probability: Probability, _ value: UInt32) -> UInt32 {
    let bound = (range &>> 11) &* value
    let mask = 0 &- UInt32(unsafeBitCast(code < bound, to: UInt8.self))
    code = Self.select(mask, code, code &- bound)
    range = Self.select(mask, bound, range &- bound)
    // The floor of (2048 - value) / 32 for a 0, as a subtraction.
    let offset = Int32(bitPattern: mask & (2048 - 31))
    probability.pointee = UInt16(
      truncatingIfNeeded: Int32(bitPattern: value) &- ((Int32(bitPattern: value) &- offset) &>> 5))
    normalize()
    return mask
  }

  /// Returns `zero` if the mask is all ones, and `one` if it is zero.
  ///
  /// The compiler makes a conditional move of it. From `?:` it makes a branch, or code too large to be inlined.
  @inline(__always) private static func select<Value: FixedWidthInteger>(
    _ mask: Value, _ zero: Value, _ one: Value
  ) -> Value {
    (zero & mask) | (one & ~mask)
  }

  /// Decodes a bit, appends it to `node`, which starts as 1, and returns its mask.
  ///
  /// `value` is the probability at `node`, before and after. Both candidates for the next one are loaded before the bit
  /// is known, because waiting for the load takes as long as the arithmetic.
  @inline(__always) private mutating func descend(
    _ tree: Probability, _ node: inout Int, _ value: inout UInt32
  ) -> UInt32 {
    let (zero, one) = (UInt32(tree[2 &* node]), UInt32(tree[2 &* node &+ 1]))
    let mask = zeroMask(tree + node, value)
    node = 2 &* node &+ 1 &+ Int(Int32(bitPattern: mask))
    value = Self.select(mask, zero, one)
    return mask
  }

  /// Decodes a number of `count` bits, highest first.
  @inline(__always) mutating func tree(_ tree: Probability, _ count: Int) -> Int {
    var node = 1
    var value = UInt32(tree[1])
    for _ in 1..<count { _ = descend(tree, &node, &value) }
    let mask = zeroMask(tree + node, value)
    return 2 &* node &+ 1 &+ Int(Int32(bitPattern: mask)) &- 1 &<< count
  }

  /// Decodes a literal with `match`, the byte at the latest distance, as context while the bits agree.
  @inline(__always) mutating func matchedLiteral(_ table: Probability, _ match: UInt8) -> Int {
    var match = Int(match) &<< 1
    var node = 1
    /// Zero once a bit has differed from that of `match`.
    var offset = 0x100
    var bit = match & offset
    var value = UInt32(table[offset &+ bit &+ node])
    for _ in 0..<7 {
      let probability = table + (offset &+ bit &+ node)
      match &<<= 1
      // Offset and bit of the next node after a 0 and after a 1, and the probabilities there.
      let (zeroOffset, oneOffset) = (offset & ~bit, bit)
      let (zeroBit, oneBit) = (match & zeroOffset, match & oneOffset)
      let zero = UInt32(table[zeroOffset &+ zeroBit &+ 2 &* node])
      let one = UInt32(table[oneOffset &+ oneBit &+ 2 &* node &+ 1])
      let mask = zeroMask(probability, value)
      let wide = Int(Int32(bitPattern: mask))
      node = 2 &* node &+ 1 &+ wide
      offset = Self.select(wide, zeroOffset, oneOffset)
      bit = Self.select(wide, zeroBit, oneBit)
      value = Self.select(mask, zero, one)
    }
    let mask = zeroMask(table + (offset &+ bit &+ node), value)
    return 2 &* node &+ 1 &+ Int(Int32(bitPattern: mask)) &- 256
  }

  /// Decodes a number of `count` bits, lowest first.
  @inline(__always) mutating func reverse(_ tree: Probability, _ count: Int) -> UInt32 {
    var node = 1
    var next = UInt32(tree[1])
    var value: UInt32 = 0
    for position in 0..<count {
      value |= (1 &+ descend(tree, &node, &next)) &<< UInt32(truncatingIfNeeded: position)
    }
    return value
  }

  /// Decodes `count` bits with equal probabilities.
  @inline(__always) mutating func direct(_ count: Int) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<count {
      range &>>= 1
      let difference = code &- range
      let mask = 0 &- (difference &>> 31)
      code = difference &+ (range & mask)
      value = value &<< 1 &+ 1 &+ mask
      normalize()
    }
    return value
  }
}
