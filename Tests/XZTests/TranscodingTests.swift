// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import TestSupport
import Testing
import XZ

/// Transcoded blocks, compared with what xz decodes.
@Suite struct TranscodingTests {
  static let options: [[String]] = [
    [], ["-0"], ["-9e"], ["--lzma2=preset=6,lc=0,lp=0,pb=0"], ["--lzma2=preset=1,lc=0,lp=4,pb=4"],
    ["--lzma2=preset=6,lc=4,lp=0,pb=1"], ["--lzma2=preset=6,lc=1,lp=2,pb=3"], ["--lzma2=preset=6,dict=4KiB"],
    ["--lzma2=preset=6,mf=hc3,nice=5"], ["--lzma2=preset=6,nice=273"], ["--check=none"], ["--check=sha256"],
    ["--block-size=70000"],
  ]

  /// Transcodes all blocks of `file`, and fails if liblzma had to recompress one.
  static func transcode(_ file: [UInt8], _ edits: [ByteEdit], reusing: Bool = true) throws -> [UInt8] {
    let stream = try XZStream(parsing: file)
    let blocks = try stream.blocks.flatMap { block in
      let inside = edits.filter {
        block.text.lowerBound <= $0.range.lowerBound && $0.range.lowerBound < block.text.upperBound
      }
      let decoded = try DecodedBlock(block, of: stream, from: file)
      #expect(decoded.canTranscode)
      return try decoded.encode(applying: inside, verify: false, reusing: reusing)
    }
    #expect(blocks.filter { !$0.wasTranscoded }.isEmpty)
    return XZScene.file(blocks, check: stream.check)
  }

  @Test(arguments: options) func withoutEditsEveryByteIsPreserved(_ options: [String]) throws {
    let file = try XZScene.pack(XZScene.text, options)
    let old = try Self.blocks(of: file)
    for reusing in [true, false] {
      let new = try Self.blocks(of: Self.transcode(file, [], reusing: reusing))
      #expect(new.elementsEqual(old), "reusing \(reusing)")
    }
  }

  /// The compressed data and checks, without headers: single-threaded xz writes them without sizes.
  static func blocks(of file: [UInt8]) throws -> [[UInt8]] {
    try XZStream(parsing: file).blocks.map { Array(file[$0.range].dropFirst((Int(file[$0.range.lowerBound]) + 1) * 4)) }
  }

  @Test(arguments: options) func xzDecodesTheEditedText(_ options: [String]) throws {
    let file = try XZScene.pack(XZScene.text, options)
    let borders = try XZStream(parsing: file).blocks.map(\.text.upperBound)
    var random = Random(seed: UInt64(options.joined().utf8.reduce(0) { $0 &+ Int($1) }))
    for round in 0..<6 {
      let edits = XZScene.edits(&random, count: [1, 2, 5, 30, 300, 3000][round % 6], in: XZScene.text.count)
        .filter { edit in !borders.contains { edit.range.lowerBound < $0 && $0 < edit.range.upperBound } }
      let unpacked = try XZScene.unpack(Self.transcode(file, edits, reusing: round != 4))
      #expect(unpacked.elementsEqual(XZScene.apply(edits, to: XZScene.text)), "round \(round)")
    }
  }
}

extension TranscodingTests {
  /// Offsets in the text where raw and LZMA chunks start, and the end of the text.
  static func chunkBorders(of file: [UInt8]) throws -> [Int] {
    var offset = 12 + (Int(file[12]) + 1) * 4
    var borders = [0]
    var last = 0
    while file[offset] != 0 {
      let size = Int(file[offset + 1]) << 8 | Int(file[offset + 2])
      let isRaw = file[offset] < 0x80
      last += (isRaw ? 0 : Int(file[offset] & 0x1f) << 16) + size + 1
      borders.append(last)
      let data = isRaw ? size : Int(file[offset + 3]) << 8 | Int(file[offset + 4])
      offset += (isRaw ? 3 : file[offset] >= 0xc0 ? 6 : 5) + data + 1
    }
    return borders
  }

  @Test func liblzmaDecodesEditsAtEveryChunkBoundary() throws {
    let file = try XZScene.pack(XZScene.text)
    let borders = try Self.chunkBorders(of: file)
    let count = XZScene.text.count
    #expect(borders.last == count && borders.count > 4)
    let stream = try XZStream(parsing: file)
    let block = try DecodedBlock(try #require(stream.blocks.first), of: stream, from: file)
    var random = Random(seed: 5)
    for border in borders {
      for offset in border - 1...border + 1 where offset >= 0 && offset <= count {
        for (deleted, inserted) in [(0, 1), (0, 70_000), (1, 0), (1, 1), (300, 5), (70_000, 0), (70_000, 70_000)] {
          let edits = [
            ByteEdit(range: offset..<min(count, offset + deleted), replacement: random.bytes(count: inserted))
          ]
          let blocks = try block.encode(applying: edits, verify: true)
          #expect(blocks.map(\.wasTranscoded) == [true], "\(deleted) for \(inserted) at \(offset)")
        }
      }
    }
  }

  @Test func nearlyAllTextCanBeRemoved() throws {
    let file = try XZScene.pack(XZScene.text)
    let stream = try XZStream(parsing: file)
    let block = try DecodedBlock(try #require(stream.blocks.first), of: stream, from: file)
    let count = XZScene.text.count
    for ranges in [[1..<count], [0..<count - 1], [0..<1, 2..<count], [0..<count / 2, count / 2 + 1..<count]] {
      let blocks = try block.encode(applying: ranges.map { ByteEdit(range: $0, replacement: []) }, verify: true)
      #expect(blocks.map(\.wasTranscoded) == [true] && blocks.first?.textCount == 1)
    }
    let all = ByteEdit(range: 0..<count, replacement: Array("other".utf8))
    #expect(try block.encode(applying: [all], verify: true).map(\.textCount) == [5])
  }

  @Test func repeatedReplacementsAreWrittenOnce() throws {
    let file = try XZScene.pack(XZScene.text)
    let stream = try XZStream(parsing: file)
    let block = try DecodedBlock(try #require(stream.blocks.first), of: stream, from: file)
    var random = Random(seed: 6)
    let inserted = random.bytes(count: 1000)
    let edits = (1...100).map { ByteEdit(range: $0 * 1000..<$0 * 1000, replacement: inserted) }
    let blocks = try block.encode(applying: edits, verify: true)
    #expect(blocks.map(\.wasTranscoded) == [true])
    #expect((blocks.first?.bytes.count ?? .max) - file.count < 5000)
  }

  /// Runs of one byte give the longest matches, and chunks that reach the limit of text.
  @Test func longRunsArePreservedAndCanBeEdited() throws {
    let text = [UInt8](repeating: 0, count: 9 << 20) + Array("tail".utf8)
    let file = try XZScene.pack(text)
    #expect(try Self.blocks(of: Self.transcode(file, [], reusing: false)).elementsEqual(Self.blocks(of: file)))
    let edits = [5 << 20..<5 << 20, (6 << 20) + 1..<(6 << 20) + 9].map { ByteEdit(range: $0, replacement: [1]) }
    let unpacked = try XZScene.unpack(Self.transcode(file, edits))
    #expect(unpacked.elementsEqual(XZScene.apply(edits, to: text)))
  }
}

extension XZScene {
  /// Edits of all sizes, in order; some insert, some delete, some are adjacent.
  static func edits(_ random: inout Random, count: Int, in textCount: Int) -> [ByteEdit] {
    var edits: [ByteEdit] = []
    var position = random.below(3) == 0 ? 0 : random.below(max(1, textCount / count))
    for _ in 0..<count where position <= textCount {
      let size = { (random: inout Random) -> Int in
        switch random.below(6) {
        case 0: 0
        case 1: 1
        case 2, 3: random.below(16)
        case 4: random.below(300)
        default: random.below(max(1, textCount / count / 2))
        }
      }
      let end = min(textCount, position + size(&random))
      let replacement = random.below(3) == 0 ? [] : random.bytes(count: min(5000, size(&random)))
      edits.append(ByteEdit(range: position..<end, replacement: replacement))
      position = end + (random.below(4) == 0 ? 0 : random.below(max(1, 2 * textCount / count)))
    }
    return edits
  }
}
