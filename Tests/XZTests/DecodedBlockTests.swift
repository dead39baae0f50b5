// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Messages
import TestSupport
import Testing
import XZ

@Suite struct DecodedBlockTests {
  static let options: [[String]] = [
    [], ["-0"], ["-9e"], ["--check=none"], ["--check=crc32"], ["--check=sha256"], ["--block-size=65536"],
    ["--x86", "--lzma2=preset=1"], ["--delta=dist=4", "--lzma2=preset=1"],
  ]

  /// Encodes every block of `file` with the edits within it.
  static func recode(_ file: [UInt8], _ edits: [ByteEdit] = [], verify: Bool = true) throws -> [UInt8] {
    let stream = try XZStream(parsing: file)
    let blocks = try stream.blocks.flatMap { block in
      let inside = edits.filter {
        block.text.lowerBound <= $0.range.lowerBound && $0.range.upperBound <= block.text.upperBound
      }
      return try DecodedBlock(block, of: stream, from: file).encode(applying: inside, verify: verify)
    }
    return XZScene.file(blocks, check: stream.check)
  }

  @Test(arguments: options) func textAndEditsMatchXz(_ options: [String]) throws {
    let file = try XZScene.pack(XZScene.text, options)
    let stream = try XZStream(parsing: file)
    let text = try stream.blocks.flatMap { try DecodedBlock($0, of: stream, from: file).withUnsafeBytes { Array($0) } }
    #expect(text.elementsEqual(XZScene.text))
    let edits = [
      ByteEdit(range: 0..<0, replacement: [1, 2, 3]), ByteEdit(range: 100..<300, replacement: []),
      ByteEdit(range: 210_000..<210_005, replacement: [9, 9, 9, 9, 9]),
      ByteEdit(range: 600_000..<XZScene.text.count, replacement: Array("end".utf8)),
    ]
    let unpacked = try XZScene.unpack(Self.recode(file, edits))
    #expect(unpacked.elementsEqual(XZScene.apply(edits, to: XZScene.text)))
  }

  @Test func incompressibleRangesAreStored() throws {
    let text = XZScene.text
    let blocks = try text.withUnsafeBytes {
      try EncodedBlock.encode(text: $0, check: .crc64, storing: [200_000..<350_000], workers: 2)
    }
    #expect(blocks.map(\.textCount) == [200_000, 150_000, text.count - 350_000])
    #expect(blocks[1].bytes.count - 150_000 < 100)
    #expect(try XZScene.unpack(XZScene.file(blocks, check: .crc64)).elementsEqual(text))
  }

  @Test func outputDoesNotDependOnTheNumberOfWorkers() throws {
    let text = [UInt8](repeating: 7, count: 20 << 20)
    let blocks = try [1, 2].map { workers in
      try text.withUnsafeBytes { try EncodedBlock.encode(text: $0, check: .crc32, preset: 0, workers: workers) }
    }
    #expect(blocks[0] == blocks[1] && blocks[0].count == 3)
  }

  @Test func removingTheWholeTextLeavesNoBlock() throws {
    let file = try XZScene.pack(XZScene.text)
    let all = [ByteEdit(range: 0..<XZScene.text.count, replacement: [])]
    #expect(try Self.recode(file, all) == XZScene.pack([]))
  }

  /// Legal, but not written by common encoders: liblzma decodes and recompresses it.
  @Test func aBlockWithTwoDictionariesIsLeftToLiblzma() throws {
    let model = try XZScene.pack([0], ["--check=none"])
    let data: [UInt8] = [1, 0, 2, 97, 98, 99, 1, 0, 2, 100, 101, 102, 0]
    var index = XZIndexWriter(check: .none)
    index.add(unpaddedSize: 12 + data.count, textCount: 6)
    let file = model[..<24] + data + [0, 0, 0] + index.finish()
    #expect(try XZScene.unpack(Array(file)) == Array("abcdef".utf8))
    let stream = try XZStream(parsing: Array(file))
    let block = try DecodedBlock(try #require(stream.blocks.first), of: stream, from: Array(file))
    #expect(!block.canTranscode)
    let edits = [ByteEdit(range: 2..<4, replacement: Array("!".utf8))]
    let blocks = try block.encode(applying: edits, verify: true)
    #expect(blocks.map(\.wasTranscoded) == [false])
    #expect(try XZScene.unpack(XZScene.file(blocks, check: .none)) == Array("ab!ef".utf8))
  }

  @Test func unorderedEditsAreRejected() throws {
    let file = try XZScene.pack(XZScene.text)
    let stream = try XZStream(parsing: file)
    let block = try DecodedBlock(try #require(stream.blocks.first), of: stream, from: file)
    for ranges in [[0..<2, 1..<3], [5..<6, 0..<1], [0..<XZScene.text.count + 1], [-1..<1]] {
      let edits = ranges.map { ByteEdit(range: $0, replacement: []) }
      #expect(thrown(XZError.self) { try block.encode(applying: edits, verify: false) } != nil, "\(ranges)")
    }
  }
}
