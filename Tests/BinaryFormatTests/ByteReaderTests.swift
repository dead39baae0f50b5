// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Messages
import Testing

@Suite struct ByteReaderTests {
  @Test func integersAreReadInTheGivenByteOrder() throws {
    var reader = ByteReader([1, 2, 3, 4, 5, 6], format: "test")
    #expect(try reader.read(UInt16.self) == 0x0201)
    #expect(try reader.read(UInt32.self, .big) == 0x0304_0506)
    #expect(reader.isAtEnd)
  }

  @Test func aShortInputIsAnErrorAndConsumesNothing() throws {
    var reader = ByteReader([1, 2, 3], format: "test")
    #expect(throws: ParseError("test", at: 0, .truncated, "expected 4 bytes, found 3")) { try reader.read(UInt32.self) }
    #expect(reader.remaining == 3)
    #expect(throws: ParseError.self) { try reader.read(count: -1) }
    #expect(throws: ParseError.self) { try reader.skip(Int.max) }
  }

  @Test func subReadersKeepAbsoluteOffsets() throws {
    var reader = ByteReader([0, 0, 7, 8, 9], format: "test")
    try reader.skip(2)
    var sub = try reader.subReader(count: 2)
    #expect(sub.offset == 2)
    #expect(try sub.read(UInt16.self) == 0x0807)
    #expect(throws: ParseError("test", at: 4, .truncated, "expected 1 bytes, found 0")) { try sub.read(UInt8.self) }
    #expect(throws: ParseError.self) { try sub.seek(to: 5) }
    #expect(throws: ParseError.self) { try reader.requireEnd() }
  }

  @Test func countsTooLargeForThisMachineAreRejected() {
    var reader = ByteReader([UInt8](repeating: 0xff, count: 8), format: "test")
    #expect(throws: ParseError.self) { try reader.readCount(UInt64.self) }
  }

  @Test func seekRejectsOffsetsOutOfRange() {
    var reader = ByteReader([1, 2], format: "test")
    for offset in [-1, 3, Int.min, Int.max] {
      #expect(throws: ParseError.self) { try reader.seek(to: offset) }
    }
  }
}
