// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Messages
import TestSupport
import Testing

@Suite struct TransferTests {
  private let content = (0..<1000).map { UInt8(truncatingIfNeeded: $0 / 3) }

  @Test(arguments: [1, 7, 999, 1000, 4096])
  func aSourceIsCopiedCompletelyForAnyBufferSize(_ size: Int) throws {
    let sink = MemorySink()
    try sink.write(contentsOf: content, through: TransferBuffer(size: size))
    #expect(sink.bytes == content)
  }

  @Test func aRangeOfASourceIsCopied() throws {
    let sink = MemorySink()
    try sink.write([1])
    try sink.write(contentsOf: content, in: 10..<900, through: TransferBuffer(size: 100))
    try sink.write(contentsOf: content, in: 5..<5)
    #expect(sink.bytes == [1] + content[10..<900])
  }

  @Test func theErrorSaysWhatIsLeft() {
    for read in [
      { _ = try content.readBytes(at: 990, count: 11, format: "bytes") },
      { try MemorySink().write(contentsOf: content, in: 990..<1001) },
    ] {
      #expect(thrown(ParseError.self) { try read() }?.description.contains("expected 11 bytes, found 10") == true)
    }
  }

  @Test func aRangeBeyondTheSourceIsAnError() {
    #expect(thrown(ParseError.self) { try MemorySink().write(contentsOf: content, in: 990..<1001) }?.rule == .truncated)
  }
}
