// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Messages
import TestSupport
import Testing

@Suite struct JoinedBytesTests {
  private let source = (0..<100).map { UInt8($0) }

  @Test func rangesFollowEachOtherAtMultiplesOfTheAlignment() throws {
    let joined = JoinedBytes(source, [10..<15, 50..<50, 20..<23, 0..<4], alignment: 4)
    let expected: [UInt8] = [10, 11, 12, 13, 14, 0, 0, 0, 20, 21, 22, 0, 0, 1, 2, 3]
    #expect(joined.count == expected.count)
    for start in 0..<expected.count {
      for end in start...expected.count {
        #expect(try joined.readBytes(at: start, count: end - start, format: "t") == Array(expected[start..<end]))
      }
    }
  }

  @Test func nothingIsReadOutsideTheRanges() {
    let joined = JoinedBytes(source, [10..<15])
    for (offset, count) in [(0, 6), (5, 1), (6, 0)] {
      let error = thrown(ParseError.self) { _ = try joined.readBytes(at: offset, count: count, format: "t") }
      #expect(error?.rule == .truncated)
    }
    #expect(JoinedBytes(source, []).count == 0)
  }
}
