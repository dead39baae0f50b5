// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import TestSupport
import Testing
import XZ

/// Blocks with their symbols kept, held against what xz decodes.
@Suite struct TranscodingTests {
  static let options: [[String]] = [
    [], ["-0"], ["-9e"], ["--lzma2=preset=6,lc=0,lp=0,pb=0"], ["--lzma2=preset=1,lc=0,lp=4,pb=4"],
    ["--lzma2=preset=6,lc=4,lp=0,pb=1"], ["--lzma2=preset=6,lc=1,lp=2,pb=3"], ["--lzma2=preset=6,dict=4KiB"],
    ["--lzma2=preset=6,mf=hc3,nice=5"], ["--lzma2=preset=6,nice=273"], ["--check=none"], ["--check=sha256"],
    ["--block-size=70000"],
  ]

  /// All blocks of `file` anew, which the transcoder must not leave to liblzma.
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

  @Test(arguments: options) func withoutEditsEveryByteComesBack(_ options: [String]) throws {
    let file = try XZScene.pack(XZScene.text, options)
    let old = try Self.blocks(of: file)
    for reusing in [true, false] {
      let new = try Self.blocks(of: Self.transcode(file, [], reusing: reusing))
      #expect(new.elementsEqual(old), "reusing \(reusing)")
    }
  }

  /// The compressed data and checks; headers of a single-threaded xz have no sizes and ours do.
  static func blocks(of file: [UInt8]) throws -> [[UInt8]] {
    try XZStream(parsing: file).blocks.map { Array(file[$0.range].dropFirst((Int(file[$0.range.lowerBound]) + 1) * 4)) }
  }

  @Test(arguments: options) func editsAreWhatXzDecodes(_ options: [String]) throws {
    let file = try XZScene.pack(XZScene.text, options)
    let borders = try XZStream(parsing: file).blocks.map(\.text.upperBound)
    var random = Random(seed: UInt64(options.joined().utf8.reduce(0) { $0 &+ Int($1) }))
    for round in 0..<12 {
      let edits = XZScene.edits(&random, count: [1, 2, 5, 30, 300, 3000][round % 6], in: XZScene.text.count)
        .filter { edit in !borders.contains { edit.range.lowerBound < $0 && $0 < edit.range.upperBound } }
      let unpacked = try XZScene.unpack(Self.transcode(file, edits, reusing: round < 9))
      #expect(unpacked.elementsEqual(XZScene.apply(edits, to: XZScene.text)), "round \(round)")
    }
  }
}

extension XZScene {
  /// Edits of all sizes, in order; some insert, some delete, some touch.
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
