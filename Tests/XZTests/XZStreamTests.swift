// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Messages
import TestSupport
import Testing
import XZ

@Suite struct XZStreamTests {
  @Test(arguments: [(XZCheck.none, "none"), (.crc32, "crc32"), (.crc64, "crc64"), (.sha256, "sha256")])
  func layoutMatchesXzList(_ check: XZCheck, _ name: String) throws {
    let directory = try TemporaryDirectory()
    let file = try XZScene.pack(XZScene.text, ["--check=\(name)", "--block-size=100000"])
    try directory.write("text.xz", file)
    let list = try ExternalTool("xz").run(["--robot", "-lvv", directory.path(of: "text.xz")])
    // block, stream, number in it, number in file, offset, plain offset, size with padding, plain size, …
    let blocks = String(decoding: list, as: UTF8.self).split(separator: "\n").filter { $0.hasPrefix("block") }
      .map { $0.split(separator: "\t") }
    let stream = try XZStream(parsing: file)
    #expect(stream.check == check && stream.textCount == XZScene.text.count)
    #expect(stream.blocks.map { "\($0.range.lowerBound) \($0.range.count)" } == blocks.map { "\($0[4]) \($0[6])" })
    #expect(
      stream.blocks.map { "\($0.text.lowerBound) \($0.text.count)" } == blocks.map { "\($0[5]) \($0[7])" })
  }

  @Test func headerIndexAndFooterMatchXz() throws {
    for options in [["--block-size=100000"], ["--check=none"], ["--block-size=4096", "--check=sha256"]] {
      let file = try XZScene.pack(XZScene.text, options)
      let stream = try XZStream(parsing: file)
      var index = XZIndexWriter(check: stream.check)
      for block in stream.blocks { index.add(block) }
      let copied = stream.blocks.flatMap { file[$0.range] }
      #expect(index.header + copied + index.finish() == file)
    }
    let empty = try XZScene.pack([])
    #expect(try XZStream(parsing: empty).blocks.isEmpty)
    let index = XZIndexWriter(check: .crc64)
    #expect(index.header + index.finish() == empty)
  }

  @Test func anythingButOneStreamIsRejected() throws {
    let file = try XZScene.pack(Array(XZScene.text.prefix(1000)))
    #expect(thrown(ParseError.self) { try XZStream(parsing: file + file) }?.rule == .range)
    #expect(thrown(ParseError.self) { try XZStream(parsing: file + [0, 0, 0, 0]) }?.rule == .unsupported)
    #expect(thrown(ParseError.self) { try XZStream(parsing: file + [1]) }?.rule == .magic)
    #expect(thrown(ParseError.self) { try XZStream(parsing: [0] + file) }?.rule == .magic)
    #expect(thrown(ParseError.self) { try XZStream(parsing: [UInt8]()) }?.rule == .truncated)
    for count in 0..<file.count {
      #expect(thrown(ParseError.self) { try XZStream(parsing: Array(file.prefix(count))) } != nil, "\(count)")
    }
  }

  /// Indexes with correct checksums and wrong sizes.
  @Test func impossibleSizesAreRejected() throws {
    let file = try XZScene.pack(Array(XZScene.text.prefix(1000)))
    let stream = try XZStream(parsing: file)
    let block = try #require(stream.blocks.first)
    let bytes = Array(file[block.range])
    for (unpadded, text) in [
      (Int.max, 1000), (Int.max - 3, 1000), (block.unpaddedSize + 4, 1000), (0, 1000), (5, 1000),
      (block.unpaddedSize - 4, 1000),
    ] {
      var index = XZIndexWriter(check: stream.check)
      index.add(unpaddedSize: unpadded, textCount: text)
      let error = thrown(ParseError.self) { try XZStream(parsing: index.header + bytes + index.finish()) }
      #expect(error?.rule == .range, "\(unpadded)")
    }
    var twice = XZIndexWriter(check: stream.check)
    for _ in 0..<2 { twice.add(unpaddedSize: block.unpaddedSize, textCount: Int.max) }
    #expect(
      thrown(ParseError.self) { try XZStream(parsing: twice.header + bytes + bytes + twice.finish()) }?.rule == .range)
    // Found only while decoding: sizes that differ from the block's, and sizes that would exhaust memory.
    for text in [999, 1001, (1 << 30) + 1, Int.max] {
      var index = XZIndexWriter(check: stream.check)
      index.add(unpaddedSize: block.unpaddedSize, textCount: text)
      let other = index.header + bytes + index.finish()
      let layout = try XZStream(parsing: other)
      #expect(
        thrown(ParseError.self) { try DecodedBlock(layout.blocks[0], of: layout, from: other) }?.rule == .range,
        "\(text)")
    }
  }

  @Test func damageNeverCrashes() throws {
    let file = try XZScene.pack(Array(XZScene.text.prefix(20_000)), ["--block-size=1000"])
    for damaged in Mutations(of: file, count: 2000) {
      do {
        let stream = try XZStream(parsing: damaged)
        for block in stream.blocks { _ = try DecodedBlock(block, of: stream, from: damaged) }
      } catch is ParseError {
      } catch is XZError {
      }
    }
  }

  @Test(arguments: [("64MiB", false), ("512MiB", true)])
  func aHugeDictionaryIsUnsupported(_ size: String, _ isHuge: Bool) throws {
    let file = try XZScene.pack(Array("text".utf8), ["--lzma2=preset=0,dict=\(size)"])
    let stream = try XZStream(parsing: file)
    let error = thrown(ParseError.self) { try stream.requireModestDictionaries(in: file) }
    #expect(error?.rule == (isHuge ? .unsupported : nil))
  }

  @Test func blocksAreCountedBeforeTheyAreRead() throws {
    let block = try XZStream(parsing: XZScene.pack([1])).blocks[0]
    for count in [1 << 16, (1 << 16) + 1] {
      var index = XZIndexWriter(check: .crc64)
      for _ in 0..<count { index.add(block) }
      let file = index.header + [UInt8](repeating: 0, count: block.range.count * count) + index.finish()
      let error = thrown(ParseError.self) { try XZStream(parsing: file) }
      #expect(error?.rule == (count > 1 << 16 ? .range : nil))
    }
  }
}
