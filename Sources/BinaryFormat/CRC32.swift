// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The 32-bit cyclic redundancy check of ISO 3309 that GPT, Ethernet and gzip use (UEFI 2.10 section 4.2).
package enum CRC32 {
  /// The reflected polynomial.
  private static let polynomial: UInt32 = 0xedb8_8320

  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { rest, _ in rest & 1 == 0 ? rest >> 1 : rest >> 1 ^ polynomial }
  }

  /// The CRC of `bytes`.
  package static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
    let table = table
    return ~bytes.reduce(~0) { $0 >> 8 ^ table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
  }
}
