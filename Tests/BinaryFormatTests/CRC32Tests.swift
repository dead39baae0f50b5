// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import TestSupport
import Testing

@Suite struct CRC32Tests {
  @Test func checksumMatchesPublishedValues() {
    // The check value listed in CRC catalogues.
    #expect(CRC32.of("123456789".utf8) == 0xcbf4_3926)
    #expect(CRC32.of([]) == 0)
  }

  /// gzip output ends with the CRC and the size of the content (RFC 1952).
  @Test(arguments: [1, 2, 255, 4096, 70_001]) func checksumMatchesGzip(count: Int) throws {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    let trailer = try ExternalTool("gzip").run(["-c"], input: bytes).suffix(8)
    var reader = ByteReader(Array(trailer), format: "gzip")
    #expect(try reader.read(UInt32.self) == CRC32.of(bytes))
  }
}
