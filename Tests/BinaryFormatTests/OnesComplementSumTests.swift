// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Testing

@Suite struct OnesComplementSumTests {
  /// The sum as RFC 1071 section 1 defines it, word by word.
  static func reference(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for index in stride(from: 0, to: bytes.count, by: 2) {
      sum += UInt32(bytes[index]) | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) << 8 : 0)
      sum = (sum & 0xffff) + sum >> 16
    }
    return UInt16(sum)
  }

  @Test(arguments: [0, 1, 2, 3, 31, 4095, 4096, 4097, 12_289]) func theSumDoesNotDependOnChunking(_ count: Int) {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 151 ^ $0 >> 3) | 0xc0 }
    for cut in [0, 1, 2, 4095, 4096, count].filter({ $0 <= count }) {
      var sum = OnesComplementSum()
      sum.update(Array(bytes[..<cut]))
      sum.update(Array(bytes[cut...]))
      #expect(sum.value == Self.reference(bytes), "\(count) bytes cut at \(cut)")
    }
  }

  @Test func maximumValuesDoNotOverflow() {
    var sum = OnesComplementSum()
    for _ in 0..<64 { sum.update([UInt8](repeating: 0xff, count: 1 << 18)) }
    #expect(sum.value == 0xffff)
  }
}
