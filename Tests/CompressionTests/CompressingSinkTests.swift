// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Compression
import TestSupport
import Testing

@Suite struct CompressingSinkTests {
  private static let content = (0..<3_000_000).map { UInt8(truncatingIfNeeded: ($0 * $0 >> 9) & 0x3f) }
  private static let formats: [(CompressingSink.Format, String)] = [
    (.zstd, "zstd"), (.gzip, "gzip"), (.xz, "xz"),
  ]

  /// Packs `content`, written in pieces.
  private static func pack(_ content: [UInt8], _ format: CompressingSink.Format, piece: Int = 100_000) throws -> [UInt8]
  {
    let sink = MemorySink()
    let packing = try CompressingSink(format, to: sink)
    for start in stride(from: 0, to: content.count, by: piece) {
      try packing.write(Array(content[start..<min(start + piece, content.count)]))
    }
    try packing.finish()
    return sink.bytes
  }

  @Test(arguments: formats) func decompressorsReadTheOutput(_ format: CompressingSink.Format, _ tool: String) throws {
    for content in [Self.content, [], [7]] {
      let packed = try Self.pack(content, format)
      #expect(packed.count < content.count / 2 + 100)
      #expect(try ExternalTool(tool).run(["-dc"], input: packed) == content)
      #expect(try Self.pack(content, format, piece: 12_345) == packed)
    }
  }

  /// `zstd -l` counts frames; dpkg reads only one.
  @Test func zstdOutputHasOneFrame() throws {
    let file = try ScratchFile(try Self.pack(Self.content, .zstd), suffix: ".zst")
    let list = try ExternalTool("zstd").result(["-lv", file.path])
    #expect((list.text + list.errors).split(separator: "\n").contains { $0 == "# Zstandard Frames: 1" })
  }

  @Test func gzipOutputHasNeitherNameNorTime() throws {
    let packed = try Self.pack(Self.content, .gzip)
    // RFC 1952 section 2.3: flags 0, time 0.
    #expect(packed.prefix(8) == [0x1f, 0x8b, 8, 0, 0, 0, 0, 0])
    let file = try ScratchFile(packed, suffix: ".gz")
    let list = String(decoding: try ExternalTool("gzip").run(["-l", file.path]), as: UTF8.self)
    #expect(list.split(separator: " ").contains("3000000"))
  }

  /// dpkg-deb reads a package whose members were recompressed.
  @Test(arguments: [("-Zzstd", CompressingSink.Format.zstd), ("-Zgzip", .gzip)])
  func dpkgDebReadsRecompressedPackages(_ option: String, _ format: CompressingSink.Format) throws {
    let directory = try TemporaryDirectory()
    try directory.write(
      "p/DEBIAN/control",
      "Package: sample\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <n@example.org>\nDescription: sample\n")
    try directory.write("p/usr/share/sample", Self.content)
    let package = directory.path(of: "out.deb")
    try ExternalTool("dpkg-deb").run(["--root-owner-group", option, "-b", directory.path(of: "p"), package])
    let tar = try ExternalTool("dpkg-deb").run(["--fsys-tarfile", package])
    let suffix = option == "-Zzstd" ? "zst" : "gz"
    try directory.write("data.tar.\(suffix)", try Self.pack(tar, format))
    try ExternalTool("sh").run(["-c", "cd '\(directory.path)' && ar p out.deb data.tar.\(suffix) > theirs"])
    let theirs = try #require(try directory.read("theirs"))
    let ours = try #require(try directory.read("data.tar.\(suffix)"))
    #expect(abs(theirs.count - ours.count) * 100 <= theirs.count)
    // zlib's output does not depend on the caller; dpkg-deb's zstd frame also has a checksum.
    if option == "-Zgzip" { #expect(theirs == ours) }
    try ExternalTool("ar").run(["r", package, directory.path(of: "data.tar.\(suffix)")])
    #expect(try ExternalTool("dpkg-deb").run(["--fsys-tarfile", package]) == tar)
    try ExternalTool("dpkg-deb").run(["-x", package, directory.path(of: "x")])
    #expect(try directory.read("x/usr/share/sample") == Self.content)
  }

  private struct Broken: Error {}
  private final class BrokenSink: ByteSink {
    func write(_ bytes: UnsafeRawBufferPointer) throws { throw Broken() }
    func patch(_ bytes: [UInt8], at offset: Int) throws {}
  }

  @Test(arguments: formats.map(\.0) + [.none]) func writeErrorsArePropagated(_ format: CompressingSink.Format) {
    let error = thrown(Broken.self) {
      let sink = try CompressingSink(format, to: BrokenSink())
      for _ in 0..<20 { try sink.write(Self.content) }
      try sink.finish()
    }
    #expect(error != nil)
  }

  @Test func uncompressedDataIsPassedThrough() throws {
    #expect(try Self.pack(Self.content, .none) == Self.content)
    #expect(try Self.pack([], .none) == [])
    #expect(thrown(CompressionError.self) { try CompressingSink(.none, to: MemorySink()).patch([1], at: 0) } != nil)
  }
}
