// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The range decoder: reads bits from a chunk, each with an adaptive probability.
///
/// It reads at most one byte per bit and does not check where the input ends: the caller checks after each symbol
/// whether `input` has passed the chunk's end. A symbol has at most 48 bits and the input's buffer has more padding, so
/// every read is within the buffer. Table indices are built from decoded bits and bounded by construction.
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
  @inline(__always) mutating func zeroMask(_ probability: Probability) -> UInt32 {
    let value = UInt32(probability.pointee)
    let bound = (range &>> 11) &* value
    let difference = UInt64(code) &- UInt64(bound)
    let mask = UInt32(truncatingIfNeeded: difference &>> 32)
    code = UInt32(truncatingIfNeeded: difference) &+ (bound & mask)
    range = ((range &- bound) & ~mask) | (bound & mask)
    // The floor of (2048 - value) / 32 for a 0, as a subtraction.
    let offset = Int32(bitPattern: mask) & (31 - 2048)
    probability.pointee = UInt16(
      truncatingIfNeeded: Int32(bitPattern: value) &- ((Int32(bitPattern: value) &+ offset) &>> 5))
    normalize()
    return mask
  }

  /// Appends the next bit of a tree to `node`, which starts as 1.
  @inline(__always) mutating func descend(_ tree: Probability, _ node: inout Int) {
    let mask = zeroMask(tree + node)
    node = node &<< 1 &+ 1 &+ Int(Int32(bitPattern: mask))
  }

  /// Decodes a number of three bits, highest first.
  @inline(__always) mutating func tree3(_ tree: Probability) -> Int {
    var node = 1
    descend(tree, &node)
    descend(tree, &node)
    descend(tree, &node)
    return node &- 8
  }

  @inline(__always) mutating func tree6(_ tree: Probability) -> Int {
    var node = 1
    for _ in 0..<6 { descend(tree, &node) }
    return node &- 64
  }

  @inline(__always) mutating func tree8(_ tree: Probability) -> Int {
    var node = 1
    descend(tree, &node)
    descend(tree, &node)
    descend(tree, &node)
    descend(tree, &node)
    descend(tree, &node)
    descend(tree, &node)
    descend(tree, &node)
    descend(tree, &node)
    return node &- 256
  }

  /// Decodes a literal with `match`, the byte at the latest distance, as context while the bits agree.
  @inline(__always) mutating func matchedLiteral(_ table: Probability, _ match: UInt8) -> Int {
    var node = 1
    var offset = 0x100
    var match = Int(match)
    for _ in 0..<8 {
      match &<<= 1
      let bit = match & offset
      let mask = Int(Int32(bitPattern: zeroMask(table + (offset &+ bit &+ node))))
      node = node &<< 1 &+ 1 &+ mask
      // Unchanged while the bits agree.
      offset &= bit ^ mask
    }
    return node &- 256
  }

  /// Decodes a number of `count` bits, lowest first.
  @inline(__always) mutating func reverse(_ tree: Probability, _ count: Int) -> UInt32 {
    var node = 1
    var value: UInt32 = 0
    for position in 0..<count {
      let mask = zeroMask(tree + node)
      node = node &<< 1 &+ 1 &+ Int(Int32(bitPattern: mask))
      value |= (1 &+ mask) &<< UInt32(truncatingIfNeeded: position)
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
