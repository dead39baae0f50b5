// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import LZMA2
import Messages
import TestSupport
import Testing

@Suite struct LZMA2BlockTests {
  private static let dictionary = 1 << 20
  private static let filter = ["--format=raw", "--lzma2=preset=6,dict=1MiB"]

  /// Words and noise, for literals, matches at all distances and raw chunks.
  private static func text(count: Int) -> [UInt8] {
    var text: [UInt8] = []
    var state: UInt32 = 1
    while text.count < count {
      state = state &* 1_664_525 &+ 1_013_904_223
      let start = Int(state >> 8) % max(1, text.count)
      if state >> 30 > 0, text.count > 100 {
        text += Array(text[start...].prefix(Int(state >> 4 & 31)))
      } else {
        text.append(UInt8(truncatingIfNeeded: state >> 16))
      }
    }
    return Array(text.prefix(count))
  }

  private static func decode(_ data: [UInt8], textCount: Int) throws(ParseError) -> [UInt8] {
    let input = PaddedBuffer(count: data.count)
    input.bytes.copyBytes(from: data)
    let block = try LZMA2Block(decoding: input, textCount: textCount, dictionarySize: dictionary, offset: 0)
    return withExtendedLifetime(block) { Array(block.text.bytes) }
  }

  private static func rule(_ data: [UInt8], textCount: Int) -> ParseError.Rule? {
    thrown(ParseError.self) { try decode(data, textCount: textCount) }?.rule
  }

  @Test func decodedTextMatchesXz() throws {
    for count in [1, 2, 100, 5000, 300_000] {
      let text = Self.text(count: count)
      let data = try ExternalTool("xz").run(["-c"] + Self.filter, input: text)
      #expect(try Self.decode(data, textCount: count).elementsEqual(text), "\(count)")
      #expect(Self.rule(data, textCount: count + 1) == .range)
      #expect(Self.rule(data, textCount: count - 1) == .range)
      #expect(Self.rule(data + [0], textCount: count) == .trailingBytes)
    }
  }

  @Test func chunkHeadersAreChecked() throws {
    let raw: [UInt8] = [1, 0, 2, 97, 98, 99]
    #expect(try Self.decode(raw + [0], textCount: 3) == Array("abc".utf8))
    #expect(try Self.decode(raw + [2, 0, 0, 100, 0], textCount: 4) == Array("abcd".utf8))
    #expect(Self.rule(raw + raw + [0], textCount: 6) == .unsupported)
    #expect(Self.rule([2, 0, 0, 97, 0], textCount: 1) == .range)
    #expect(Self.rule([3, 0, 0, 97, 0], textCount: 1) == .unsupported)
    #expect(Self.rule([0x7f, 0, 0, 97, 0], textCount: 1) == .unsupported)
    #expect(Self.rule([], textCount: 0) == .truncated)
    #expect(Self.rule(raw, textCount: 3) == .truncated)
    // LZMA chunks without properties, with properties invalid in LZMA2, too short, and with a nonzero first byte.
    let lzma: [UInt8] = [0, 0, 0, 4]
    #expect(Self.rule(raw + [0x80] + lzma + [0, 0, 0, 0, 0, 0], textCount: 4) == .range)
    for properties: UInt8 in [225, 255, 3 + 9 * 2, 8] {
      #expect(Self.rule([0xe0] + lzma + [properties, 0, 0, 0, 0, 0, 0], textCount: 1) == .range, "\(properties)")
    }
    #expect(Self.rule([0xe0, 0, 0, 0, 3, 93, 0, 0, 0, 0, 0], textCount: 1) == .range)
    #expect(Self.rule([0xe0] + lzma + [93, 1, 0, 0, 0, 0, 0], textCount: 1) == .range)
  }

  @Test func truncatedDataIsRejected() throws {
    let text = Self.text(count: 3000)
    let data = try ExternalTool("xz").run(["-c"] + Self.filter, input: text)
    for count in 0..<data.count {
      #expect(Self.rule(Array(data.prefix(count)), textCount: text.count) != nil, "\(count)")
    }
  }

  /// For any damage, xz gives the same result: the same text, or an error.
  @Test func damagedDataIsHandledLikeXz() throws {
    let text = Self.text(count: 80_000)
    let data = try ExternalTool("xz").run(["-c"] + Self.filter, input: text)
    var decoded = 0
    for (number, damaged) in Mutations(of: data, count: 3000).enumerated() {
      do {
        let found = try Self.decode(damaged, textCount: text.count)
        let other = try ExternalTool("xz").run(["-dc"] + Self.filter, input: damaged)
        #expect(found.elementsEqual(other), "\(number)")
        decoded += 1
      } catch let error as ParseError {
        guard number.isMultiple(of: 20), error.rule != .unsupported else { continue }
        let other = try ExternalTool("xz").result(["-dc"] + Self.filter, input: damaged)
        #expect(other.status != 0 || other.output.count != text.count, "\(number): \(error)")
      }
    }
    #expect(decoded > 0)
  }

  @Test func aMatchBeyondTheDictionaryIsRejected() throws {
    let noise = Self.text(count: 50_000)
    let data = try ExternalTool("xz").run(["-c"] + Self.filter, input: noise + noise)
    let input = PaddedBuffer(count: data.count)
    input.bytes.copyBytes(from: data)
    let error = thrown(ParseError.self) {
      try LZMA2Block(decoding: input, textCount: 100_000, dictionarySize: 4096, offset: 7)
    }
    #expect(error?.rule == .range && (error?.offset ?? 0) >= 7)
  }

  /// Also if the data outgrows the borrowed memory and must move.
  @Test func xzDecodesEditedData() throws {
    let text = Self.text(count: 300_000)
    let data = try ExternalTool("xz").run(["-c"] + Self.filter, input: text)
    let input = PaddedBuffer(count: data.count)
    input.bytes.copyBytes(from: data)
    let block = try LZMA2Block(
      decoding: input, textCount: text.count, dictionarySize: Self.dictionary, offset: 0)
    let edits = [
      ByteEdit(range: 1000..<2000, replacement: Self.text(count: 77)), ByteEdit(range: 9..<9, replacement: []),
    ]
    .sorted { $0.range.lowerBound < $1.range.lowerBound }
    var edited = text
    for edit in edits.reversed() { edited.replaceSubrange(edit.range, with: edit.replacement) }
    let new = PaddedBuffer(count: edited.count)
    new.bytes.copyBytes(from: edited)
    for room in [0, 1000, block.likelySize(with: edits)] {
      var memory = [UInt8](repeating: 0, count: room)
      let written = memory.withUnsafeMutableBufferPointer { memory in
        let output = OutputBuffer(borrowing: memory)
        block.encode(applying: edits, text: new, to: output)
        #expect(output.isOwner == (room <= 1000))
        return Array(output.bytes)
      }
      #expect(try ExternalTool("xz").run(["-dc"] + Self.filter, input: written).elementsEqual(edited), "\(room)")
    }
  }
}
