// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Compression
import Messages
import TestSupport
import Testing

@Suite struct CompressedStreamTests {
  private static let content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 7) }

  private static func pack(_ content: [UInt8], _ tool: String) throws -> [UInt8] {
    try ExternalTool(tool).run(["-c"], input: content)
  }

  private static func unpack(_ bytes: any RandomAccessBytes, limit: Int = 1 << 24) throws -> [UInt8] {
    var content: [UInt8] = []
    try CompressedStream(bytes).forEachChunk(limit: limit) { content += $0 }
    return content
  }

  @Test(arguments: ["gzip", "xz", "zstd"]) func outputOfCompressorsIsDecompressed(_ tool: String) throws {
    let packed = try Self.pack(Self.content, tool)
    #expect(packed.count < Self.content.count)
    #expect(try Self.unpack(packed) == Self.content)
    #expect(try Self.unpack(Self.pack([], tool)) == [])
  }

  @Test func uncompressedDataIsPassedThrough() throws {
    #expect(try Self.unpack(Self.content) == Self.content)
    #expect(try Self.unpack([UInt8]()) == [])
    #expect(try Self.unpack([0x28]) == [0x28])
  }

  @Test(arguments: ["gzip", "xz", "zstd"]) func aDecompressionBombStopsAtTheLimit(_ tool: String) throws {
    let packed = try Self.pack([UInt8](repeating: 0, count: 1 << 25), tool)
    var seen = 0
    let error = thrown(CompressionError.self) {
      try CompressedStream(packed).forEachChunk(limit: 1 << 20) { seen += $0.count }
    }
    #expect(error?.hint != nil && seen <= 1 << 20)
  }

  @Test(arguments: ["xz", "zstd", "gzip"]) func aTruncatedStreamIsAnError(_ tool: String) throws {
    let packed = try Self.pack(Self.content, tool)
    for count in [packed.count - 1, packed.count / 2, 12] {
      #expect(thrown(CompressionError.self) { _ = try Self.unpack(Array(packed.prefix(count))) } != nil, "\(count)")
    }
  }

  private struct Broken: Error {}
  private struct BrokenBytes: RandomAccessBytes {
    let count = 4096
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws { throw Broken() }
  }

  @Test func readAndWriteErrorsArePropagated() throws {
    #expect(thrown(Broken.self) { _ = try Self.unpack(BrokenBytes()) } != nil)
    #expect(
      thrown(Broken.self) { try CompressedStream(Self.content).forEachChunk(limit: 1 << 20) { _ in throw Broken() } }
        != nil)
  }
}

@Suite struct EmbeddedStreamTests {
  private static let content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 7) }

  @Test(
    arguments: [
      ("gzip", .gzip), ("bzip2", .bzip2), ("lzma", .lzma), ("xz", .xz), ("xz -T2 --block-size=65536", .xz),
      ("xz --check=sha256", .xz), ("lz4 -l", .lz4), ("zstd", .zstd), ("zstd --no-check", .zstd),
    ] as [(String, EmbeddedStream.Format)])
  func aStreamEndsWhereItsCompressorEndedIt(_ tool: String, _ format: EmbeddedStream.Format) throws {
    let words = tool.split(separator: " ").map(String.init)
    let packed = try ExternalTool(words[0]).run(["-c"] + words.dropFirst(), input: Self.content)
    #expect(EmbeddedStream.Format(start: packed) == format)
    let before = [UInt8](repeating: 7, count: 5)
    // Nothing, padding with other data, another stream of a different format.
    for after in [[], [0, 0, 0, 0] + Array("070701".utf8), [0, 0, 0, 0, 0x1f, 0x8b, 8, 0]] as [[UInt8]] {
      var content: [UInt8] = []
      let end = try EmbeddedStream(format, in: before + packed + after, at: 5).forEachChunk(limit: 1 << 20) {
        content += $0
      }
      #expect(content == Self.content && end == 5 + packed.count)
    }
  }

  @Test func otherDataIsNotAStream() throws {
    for start in [[0x30, 0x37], [0x1f], [], [0, 0]] as [[UInt8]] {
      #expect(EmbeddedStream.Format(start: start) == nil)
    }
    let plain = EmbeddedStream(.gzip, in: Self.content, at: 0)
    #expect(thrown(CompressionError.self) { _ = try plain.forEachChunk(limit: 1 << 20) { _ in } } != nil)
  }

  @Test(arguments: [("lzop", .lzo), ("lz4", .lz4Frame)] as [(String, EmbeddedStream.Format)])
  func otherFormatsAreRecognisedAndNotUnpacked(_ tool: String, _ format: EmbeddedStream.Format) throws {
    let packed = try ExternalTool(tool).run(["-c"], input: Self.content)
    #expect(EmbeddedStream.Format(start: packed) == format)
    let stream = EmbeddedStream(format, in: packed, at: 0)
    let error = thrown(CompressionError.self) { _ = try stream.forEachChunk(limit: 1 << 20) { _ in } }
    #expect(error?.operation == .unsupported)
  }
}
