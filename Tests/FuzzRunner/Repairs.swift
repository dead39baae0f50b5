// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat

/// Makes the checksum of each header in a damaged tar archive right.
enum TarRepair {
  static func checksums(_ bytes: inout [UInt8]) {
    for start in stride(from: 0, to: bytes.count - 511, by: 512) {
      guard bytes[start + 257..<start + 262].elementsEqual("ustar".utf8) else { continue }
      let field = start + 148..<start + 156
      for index in field { bytes[index] = 0x20 }
      let sum = bytes[start..<start + 512].reduce(0) { $0 + Int($1) }
      let digits = String(sum, radix: 8)
      let padded = String(repeating: "0", count: max(0, 6 - digits.utf8.count)) + digits
      bytes.replaceSubrange(field, with: Array(padded.utf8.suffix(6)) + [0, 0x20])
    }
  }
}

/// Makes the CRC32s of header, index and footer of a damaged xz stream right (The .xz File Format 1.2.0, sections 2.1
/// and 4), if they are still where the footer says.
enum XZRepair {
  static func checksums(_ bytes: inout [UInt8]) {
    guard bytes.count >= 24 else { return }
    put(CRC32.of(bytes[6..<8]), at: 8, in: &bytes)
    let footer = bytes.count - 12
    let size = (bytes[footer + 4..<footer + 8].reversed().reduce(0) { $0 << 8 | Int($1) } + 1) * 4
    if size >= 8, size <= footer - 12 {
      put(CRC32.of(bytes[footer - size..<footer - 4]), at: footer - 4, in: &bytes)
    }
    put(CRC32.of(bytes[footer + 4..<footer + 10]), at: footer, in: &bytes)
  }

  private static func put(_ value: UInt32, at offset: Int, in bytes: inout [UInt8]) {
    for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index))) }
  }
}
