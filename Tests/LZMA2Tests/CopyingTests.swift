// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import LZMA2
import TestSupport
import Testing

/// Chunks that are copied although the block has edits; xz decodes every result as a whole.
@Suite struct CopyingTests {
  private static let dictionary = 1 << 20

  /// Parts that do not compress, which xz stores, between parts of words, before each of which it resets the state.
  private static func text(parts: Int, partSize: Int = 150_000) -> [UInt8] {
    var noise = Noise()
    var text: [UInt8] = []
    for part in 0..<parts {
      if part.isMultiple(of: 2) {
        text += noise.bytes(partSize)
      } else {
        // Words of their own: xz finds no match in earlier parts.
        let words = (0..<100).map { _ in noise.bytes(5 + noise.next(9)) }
        let end = text.count + partSize
        while text.count < end { text += words[noise.next(100)] }
      }
    }
    return text
  }

  private static func filter(_ options: String) -> [String] { ["--format=raw", "--lzma2=\(options),dict=1MiB"] }

  private struct Edited {
    let text: [UInt8]
    let data: [UInt8]
    let copied: [CopiedData]
  }

  private static func block(_ text: [UInt8], _ options: String) throws -> LZMA2Block {
    let data = try ExternalTool("xz").run(["-c"] + filter(options), input: text)
    let input = PaddedBuffer(count: data.count)
    input.bytes.copyBytes(from: data)
    return try LZMA2Block(decoding: input, textCount: text.count, dictionarySize: dictionary, offset: 0)
  }

  private static func encode(_ block: LZMA2Block, _ edits: [ByteEdit], reusing: Bool = true) -> Edited {
    var edited = withExtendedLifetime(block) { Array(block.text.bytes) }
    for edit in edits.reversed() { edited.replaceSubrange(edit.range, with: edit.replacement) }
    let new = PaddedBuffer(count: edited.count)
    new.bytes.copyBytes(from: edited)
    let output = OutputBuffer(borrowing: UnsafeMutableBufferPointer(start: nil, count: 0))
    let copied = block.encode(applying: edits, text: new, to: output, reusing: reusing)
    return Edited(text: edited, data: withExtendedLifetime(output) { Array(output.bytes) }, copied: copied)
  }

  private static func decode(_ data: [UInt8], _ options: String) throws -> [UInt8] {
    try ExternalTool("xz").run(["-dc"] + filter(options), input: data)
  }

  /// The data that is decoded for verification; nil if the data cannot be verified like that.
  private static func stream(
    _ edited: Edited, of block: LZMA2Block, data: [UInt8]? = nil, copied: [CopiedData]? = nil
  ) -> [UInt8]? {
    var pieces: [UInt8] = []
    return edited.text.withUnsafeBytes { text in
      (data ?? edited.data).withUnsafeBytes { data in
        var stream = VerificationStream(data, of: block, copied: copied ?? edited.copied, text: text)
        return stream.forEachPiece { pieces += $0 } ? pieces : nil
      }
    }
  }

  private static let options = [
    "preset=6", "preset=0", "preset=9e", "preset=6,lc=0,lp=0,pb=0", "preset=1,lc=0,lp=4,pb=4",
    "preset=6,lc=1,lp=2,pb=3",
    "preset=6,nice=273", "preset=6,mf=hc3,nice=5",
  ]

  /// Edits anywhere, at the borders of parts, and of lengths that do and do not keep the alignment.
  @Test(arguments: options) func xzDecodesEditedData(_ options: String) throws {
    let text = Self.text(parts: 6, partSize: 100_000)
    let block = try Self.block(text, options)
    var noise = Noise(state: UInt32(options.utf8.count))
    for round in 0..<12 {
      var edits: [ByteEdit] = []
      var position = 0
      for _ in 0...noise.next(4) {
        let border = 100_000 * noise.next(7) + noise.next(5) - 2
        let start = max(position, round % 3 == 0 ? noise.next(6) * 100_000 + noise.next(50_000) : border)
        guard start <= text.count else { break }
        let end = min(text.count, start + [0, 1, 16, 500, 120_000][noise.next(5)])
        let kept = [end - start, end - start + 16 * noise.next(40), noise.next(40)][noise.next(3)]
        edits.append(ByteEdit(range: start..<end, replacement: noise.bytes(kept)))
        position = end
      }
      let edited = Self.encode(block, edits)
      #expect(try Self.decode(edited.data, options).elementsEqual(edited.text), "round \(round): \(edits)")
      // Transcoding restores liblzma's bits, so copying changes nothing.
      #expect(edited.data == Self.encode(block, edits, reusing: false).data, "round \(round): \(edits)")
      let stream = try #require(Self.stream(edited, of: block), "round \(round): \(edits)")
      #expect(try Self.decode(stream, options).elementsEqual(edited.text), "round \(round): \(edits)")
    }
  }

  /// Bytes of compressed data that are encoded and decoded again, in a block with a reset every 300,000 bytes.
  @Test func oneEditCostsOnePart() throws {
    let text = Self.text(parts: 10)
    let block = try Self.block(text, "preset=6")
    for (part, size) in [(2, 16), (3, 0), (5, 512), (6, 1536)] {
      let edit = ByteEdit(
        range: part * 150_000 + 70_000..<part * 150_000 + 70_016, replacement: .init(repeating: 1, count: size))
      let edited = Self.encode(block, [edit])
      let copied = edited.copied.reduce(0) { $0 + $1.range.count }
      // The rest of an incompressible part is stored as it is.
      #expect(edited.data.count - copied < 300_000, "part \(part)")
      #expect(edited.copied.count == 2, "part \(part)")
    }
  }

  @Test func withoutEditsEverythingIsCopied() throws {
    let block = try Self.block(Self.text(parts: 5), "preset=6")
    let edited = Self.encode(block, [])
    #expect(edited.copied.map(\.range) == [0..<edited.data.count - 1])
    // Only uncompressed chunks are left to decode.
    let stream = try #require(Self.stream(edited, of: block))
    #expect(stream.count == edited.text.count + 3 * ((edited.text.count + 0xffff) >> 16) + 1)
  }

  /// The third part repeats the first one, so its distances change with an edit between them.
  @Test func matchesAcrossAnEditAreNotCopied() throws {
    var noise = Noise()
    let words = noise.bytes(200_000)
    let text = words + noise.bytes(100_000) + words + noise.bytes(300_000) + [UInt8](repeating: 7, count: 100_000)
    let block = try Self.block(text, "preset=6")
    for growth in [0, 16] {
      let edit = ByteEdit(range: 250_000..<250_016, replacement: noise.bytes(16 + growth))
      let edited = Self.encode(block, [edit])
      #expect(try Self.decode(edited.data, "preset=6").elementsEqual(edited.text))
      let sources = edited.copied.map(\.source)
      #expect(edited.copied.count == 2 && sources.first == 0, "\(edited.copied)")
      // The repetition takes few bytes of data, about 300,000 bytes from the start.
      #expect(edited.copied.last?.source ?? 0 > 320_000, "\(edited.copied)")
    }
  }

  /// A shift by less than 16 bytes changes which probabilities literals and matches use.
  @Test(arguments: [(1, false), (8, false), (15, false), (16, true), (-16, true), (512, true)])
  func theTextMovesByAMultipleOfSixteen(_ growth: Int, _ isCopied: Bool) throws {
    let block = try Self.block(Self.text(parts: 6), "preset=6")
    let edit = ByteEdit(range: 1000..<1100, replacement: [UInt8](repeating: 0, count: 100 + growth))
    let edited = Self.encode(block, [edit])
    #expect(edited.copied.contains { $0.source > 0 } == isCopied)
    #expect(try Self.decode(edited.data, "preset=6").elementsEqual(edited.text))
  }

  /// Verification must not believe what the encoder claims.
  @Test func wrongCopiesAreNoticed() throws {
    let block = try Self.block(Self.text(parts: 8), "preset=6")
    let edited = Self.encode(block, [ByteEdit(range: 500_000..<500_010, replacement: [1, 2, 3])])
    let copy = try #require(edited.copied.first)
    #expect(Self.stream(edited, of: block) != nil)
    for offset in [0, 1, copy.range.count / 2, copy.range.count - 1] {
      var damaged = edited.data
      damaged[copy.range.lowerBound + offset] ^= 4
      #expect(Self.stream(edited, of: block, data: damaged) == nil, "\(offset)")
    }
    let wrong = [
      [CopiedData(range: copy.range.lowerBound..<copy.range.upperBound + 1, source: copy.source)],
      [CopiedData(range: copy.range, source: copy.source + 1)], [copy, copy],
      [CopiedData(range: copy.range.lowerBound..<edited.data.count + 1, source: copy.source)],
      [copy, CopiedData(range: edited.data.count..<edited.data.count, source: 0)],
    ]
    for copied in wrong { #expect(Self.stream(edited, of: block, copied: copied) == nil, "\(copied)") }
    #expect(Self.stream(edited, of: block, data: Array(edited.data.dropLast())) == nil)
    #expect(Self.stream(edited, of: block, data: edited.data + [0]) == nil)
  }
}

/// Numbers that look random, the same in every run.
private struct Noise {
  var state: UInt32 = 1

  mutating func next(_ bound: Int) -> Int {
    state = state &* 1_664_525 &+ 1_013_904_223
    return Int(state >> 16) % bound
  }

  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(next(256)) } }
}
