// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// What a match is made of. Inlined where it is used, whose bounds hold here.
extension ChunkDecoder {
  @inline(__always) static func length(
    _ coder: inout RangeDecoder, _ table: RangeDecoder.Probability, _ positionState: Int
  ) -> Int {
    if !coder.isOne(table + Model.Length.choice) {
      return coder.tree3(table + (Model.Length.low &+ positionState &<< 3)) &+ 2
    }
    if !coder.isOne(table + Model.Length.choice2) {
      return coder.tree3(table + (Model.Length.mid &+ positionState &<< 3)) &+ 10
    }
    return coder.tree8(table + Model.Length.high) &+ 18
  }

  @inline(__always) static func distance(
    _ coder: inout RangeDecoder, _ probabilities: RangeDecoder.Probability, _ length: Int
  ) -> UInt32 {
    let slot = coder.tree6(probabilities + (Model.Table.slot &+ min(length &- 2, 3) &<< 6))
    guard slot >= 4 else { return UInt32(truncatingIfNeeded: slot) }
    let count = slot &>> 1 &- 1
    let high = UInt32(truncatingIfNeeded: 2 | slot & 1) &<< UInt32(truncatingIfNeeded: count)
    if slot < 14 {
      return high &+ coder.reverse(probabilities + (Model.Table.special &+ Int(high) &- slot), count)
    }
    let direct = coder.direct(count &- 4) &<< 4
    return high &+ direct &+ coder.reverse(probabilities + Model.Table.align, 4)
  }

  /// Repeats `length` bytes from `distance` before `target`, and up to fifteen more after their end.
  @inline(__always) static func copy(_ target: UnsafeMutablePointer<UInt8>, _ distance: Int, _ length: Int) {
    let to = UnsafeMutableRawPointer(target)
    let from = UnsafeRawPointer(target - distance)
    if distance >= 16 {
      var offset = 0
      repeat {
        let piece = (from + offset).loadUnaligned(as: SIMD16<UInt8>.self)
        (to + offset).storeBytes(of: piece, as: SIMD16<UInt8>.self)
        offset &+= 16
      } while offset < length
    } else {
      var offset = 0
      repeat {
        target[offset] = target[offset &- distance]
        offset &+= 1
      } while offset < length
    }
  }
}
