// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The 16-bit ones'-complement sum of little-endian words, fed in chunks of any length.
///
/// This is the core of the PE/COFF image checksum. Words are added four bytes at a time: 2^16 is 1 modulo 2^16 - 1.
package struct OnesComplementSum: Sendable {
  private var sum: UInt64 = 0
  private var isOdd = false

  package init() {}

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    var partial: UInt64 = 0
    let words = bytes.count / 4
    for index in 0..<words {
      partial &+= UInt64(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)))
    }
    for index in words * 4..<bytes.count { partial &+= UInt64(bytes[index]) << UInt64((index & 1) * 8) }
    partial = Self.fold(partial)
    // Behind an odd number of bytes every byte stands in the other half of its word.
    if isOdd { partial = (partial << 8 | partial >> 8) & 0xffff }
    sum += partial
    if !bytes.count.isMultiple(of: 2) { isOdd.toggle() }
  }

  package mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

  /// The sum, 0 to 65535.
  package var value: UInt16 { UInt16(Self.fold(sum)) }

  private static func fold(_ value: UInt64) -> UInt64 {
    var value = value
    while value > 0xffff { value = (value & 0xffff) + value >> 16 }
    return value
  }
}
