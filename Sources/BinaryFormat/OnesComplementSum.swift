// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The 16-bit ones'-complement sum of little-endian words, fed in chunks of any length.
///
/// This is the core of the PE/COFF image checksum. Sums are folded late, since 2^16 is 1 modulo 2^16 - 1. Files and
/// processors are assumed to be little-endian.
package struct OnesComplementSum: Sendable {
  private var sum: UInt64 = 0
  private var isOdd = false

  package init() {}

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    var partial: UInt64 = 0
    var index = 0
    while bytes.count - index >= Self.blockSize {
      partial += Self.sumOfBlock(bytes, at: index)
      index += Self.blockSize
    }
    while index < bytes.count {
      partial += UInt64(bytes[index]) << UInt64((index & 1) * 8)
      index += 1
    }
    partial = Self.fold(partial)
    // After an odd number of bytes, every byte is in the other half of its word.
    if isOdd { partial = (partial << 8 | partial >> 8) & 0xffff }
    sum += partial
    if !bytes.count.isMultiple(of: 2) { isOdd.toggle() }
  }

  package mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

  /// The sum, 0 to 65535.
  package var value: UInt16 { UInt16(Self.fold(sum)) }

  /// Bytes added at once; few enough for 32-bit lanes, and a multiple of a vector's 32 bytes.
  private static let blockSize = 4096

  /// Adds low and high halves of eight words at a time; vectorised by hand, since the release is optimised for size.
  private static func sumOfBlock(_ bytes: UnsafeRawBufferPointer, at start: Int) -> UInt64 {
    var low = SIMD8<UInt32>()
    var high = SIMD8<UInt32>()
    for offset in stride(from: start, to: start + blockSize, by: 32) {
      let words = bytes.loadUnaligned(fromByteOffset: offset, as: SIMD8<UInt32>.self)
      low &+= words & 0xffff
      high &+= words &>> 16
    }
    return (0..<8).reduce(0) { $0 + UInt64(low[$1]) + UInt64(high[$1]) }
  }

  private static func fold(_ value: UInt64) -> UInt64 {
    var value = value
    while value > 0xffff { value = (value & 0xffff) + value >> 16 }
    return value
  }
}
