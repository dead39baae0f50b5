// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import HostSystem
import TestSupport
import Testing

@Suite struct ReadBackTests {
  private let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  /// What is read from the medium is what was written, whatever the offsets: the kernel reads whole blocks there.
  @Test(arguments: [0, 1, 4095, 4096, 4097, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 700_001])
  func theMediumHasWhatWasWritten(count: Int) throws {
    var generator = SeededGenerator(seed: UInt64(count))
    let content = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    try directory.host().files.replaceFile(
      "/file", provingMedium: true,
      verify: { file in
        #expect(file.count == count)
        #expect(try ByteComparison.areEqual(file, content))
        #expect(try file.readToEnd(limit: 1 << 20) == content)
        for _ in 0..<50 where count > 0 {
          let start = Int.random(in: 0..<count, using: &generator)
          let length = Int.random(in: 0...(count - start), using: &generator)
          #expect(
            try file.readBytes(at: start, count: length, format: "file") == Array(content[start..<start + length]))
        }
        #expect(throws: (any Error).self) { try file.readBytes(at: count, count: 1, format: "file") }
        try file.requireUnchanged()
      },
      writing: { try $0.write(content) })
    #expect(try directory.read("file") == content)
  }

  /// Not every file system can read past the page cache, but where one can, it is done.
  @Test func theMediumIsReadOnTheFileSystemsOfDisks() throws {
    var isFromMedium = false
    try directory.host().files.replaceFile(
      "/file", provingMedium: true,
      verify: { file in
        let content = try file.readToEnd(limit: 3)
        #expect(content == [1, 2, 3])
        isFromMedium = file.isFromMedium
      }, writing: { try $0.write([1, 2, 3]) })
    let type = try ExternalTool("stat").result(["-f", "-c", "%T", directory.path]).text.prefix { $0 != "\n" }
    if ["ext2/ext3", "xfs", "msdos"].contains(type) { #expect(isFromMedium) }
    try directory.host().files.replaceFile(
      "/file", verify: { #expect(!$0.isFromMedium) }, writing: { try $0.write([1, 2, 3]) })
  }
}
