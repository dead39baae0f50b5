// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import DebianArchive
import KernelRepack
import TestSupport
import Testing

@Suite struct TailScanTests {
  /// An archive of these files in dpkg-deb's format, made by GNU tar, and the output of md5sum for them.
  private static func archive(_ files: [(String, [UInt8])]) throws -> (text: [UInt8], sums: MD5Sums) {
    let directory = try TemporaryDirectory()
    for (name, content) in files { try directory.write(name, content) }
    let names = files.map { "./\($0.0)" }
    let text = try ExternalTool("tar").run(
      ["-cf", "-", "--format=gnu", "-C", directory.path, "--no-recursion"] + names)
    let sums = try names.flatMap { name in
      let line = try ExternalTool("md5sum").run([directory.path(of: String(name.dropFirst(2)))])
      return line.prefix(32) + Array("  \(name.dropFirst(2))\n".utf8)
    }
    return (text, try MD5Sums(parsing: sums))
  }

  private static func end(_ text: some Collection<UInt8>, at offset: Int, sums: MD5Sums) -> Int? {
    Array(text).withUnsafeBytes { TailScan(sums: sums).endOfArchive(in: $0, startingAt: offset) }
  }

  @Test func endIsFoundFromAnyPlaceBeforeTheLastFile() throws {
    let (text, sums) = try Self.archive([
      ("a", [UInt8](repeating: 1, count: 3000)), ("b", [UInt8](repeating: 2, count: 700)), ("z", [7, 0, 0, 0]),
    ])
    // a: 512 + 3072, b: 512 + 1024, z: 512 + 512.
    let end = 3584 + 1536 + 1024
    for start in [0, 1, 511, 512, 3584, 5120] {
      #expect(Self.end(text[start...], at: start, sums: sums) == end)
    }
    // No entry follows the last header.
    #expect(Self.end(text[5632...], at: 5632, sums: sums) == nil)
  }

  @Test func zerosOfAFileAreNotTheEnd() throws {
    let (text, sums) = try Self.archive([("a", [1]), ("zeros", [UInt8](repeating: 0, count: 5000))])
    #expect(Self.end(text[700...], at: 700, sums: sums) == 1024 + 512 + 5120)
  }

  @Test func archiveInAFileIsNotTheArchive() throws {
    let inner = try Self.archive([("inner", [1, 2, 3])])
    let (text, sums) = try Self.archive([("inner.tar", inner.text)])
    // The inner entries are also followed only by zeros, but md5sums has no such file.
    #expect(Self.end(text[512...], at: 512, sums: sums) == nil)
    #expect(Self.end(text, at: 0, sums: sums) == 512 + inner.text.count)
  }

  @Test func changedFileIsNoProof() throws {
    var (text, sums) = try Self.archive([("a", [UInt8](repeating: 1, count: 600))])
    #expect(Self.end(text, at: 0, sums: sums) == 512 + 1024)
    text[600] ^= 1
    #expect(Self.end(text, at: 0, sums: sums) == nil)
  }

  /// Each of 8000 headers says that the rest is its content; digesting it for each took half a minute.
  @Test(.timeLimit(.minutes(1))) func manyHeadersDoNotTakeQuadraticTime() throws {
    let count = 8000
    var text: [UInt8] = []
    for number in 0..<count {
      text += TarHeader.file("f", mode: 0o644, size: (count - number - 1) * 512, modified: 0)
    }
    text += [UInt8](repeating: 0, count: 1024)
    let clock = ContinuousClock()
    let sums = MD5Sums()
    let time = clock.measure { #expect(Self.end(text, at: 0, sums: sums) == nil) }
    #expect(time < .seconds(5))
  }
}
