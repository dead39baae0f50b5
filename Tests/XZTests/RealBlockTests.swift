// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import TestSupport
import Testing
import XZ

/// Debian's kernel packages, downloaded by `Tests/fixtures.sh`.
enum KernelPackage: String, CaseIterable {
  case signed61 = "linux-image-bookworm-signed"
  case unsigned61 = "linux-image-bookworm-unsigned"
  case signed612 = "linux-image-trixie-signed"

  func member(_ name: String) throws -> [UInt8] {
    try ExternalTool("ar").run(["p", "\(Fixture.packageDirectory)/\(rawValue).deb", name])
  }
}

/// The members of Debian's kernel packages: compressed by dpkg, 24 MiB of text per block, thousands of modules.
@Suite(.serialized, .enabled(if: SlowTests.run)) struct RealBlockTests {
  @Test(arguments: KernelPackage.allCases) func withoutEditsEveryByteIsPreserved(_ package: KernelPackage) throws {
    for name in ["control.tar.xz", "data.tar.xz"] {
      let file = try package.member(name)
      let stream = try XZStream(parsing: file)
      for block in stream.blocks {
        let blocks = try DecodedBlock(block, of: stream, from: file).encode(
          applying: [], verify: false, reusing: false)
        #expect(blocks.count == 1 && blocks.first?.wasTranscoded == true)
        #expect(blocks.first?.bytes == Array(file[block.range]), "\(name), block at \(block.range)")
      }
    }
  }

  /// liblzma decodes the block to the edited text; otherwise it would not count as transcoded.
  @Test(arguments: [(KernelPackage.signed61, 0), (.unsigned61, 16), (.signed612, 1)])
  func liblzmaDecodesTheEditedText(_ package: KernelPackage, _ index: Int) throws {
    let file = try package.member("data.tar.xz")
    let stream = try XZStream(parsing: file)
    let block = stream.blocks[index]
    let decoded = try DecodedBlock(block, of: stream, from: file)
    var random = Random(seed: UInt64(index) + 1)
    for count in [1, 700, 12_000] {
      let edits = XZScene.edits(&random, count: count, in: block.text.count).map {
        ByteEdit(
          range: $0.range.lowerBound + block.text.lowerBound..<$0.range.upperBound + block.text.lowerBound,
          replacement: $0.replacement)
      }
      let blocks = try decoded.encode(applying: edits, verify: true)
      #expect(blocks.map(\.wasTranscoded) == [true], "\(count) edits")
      #expect(blocks.first?.textCount == block.text.count + edits.growth)
    }
  }

  /// Edits like those of signing a kernel image: fields in the tar and PE headers, and a signature at the end.
  @Test func aSignedImageCostsLittleMoreThanItsSignature() throws {
    let file = try KernelPackage.unsigned61.member("data.tar.xz")
    let stream = try XZStream(parsing: file)
    let block = try #require(stream.blocks.first)
    var random = Random(seed: 3)
    let edits = [
      ByteEdit(range: 262_144..<262_156, replacement: random.bytes(count: 12)),
      ByteEdit(range: 262_700..<262_704, replacement: random.bytes(count: 4)),
      ByteEdit(range: 8_500_000..<8_500_000, replacement: random.bytes(count: 1544)),
    ]
    let blocks = try DecodedBlock(block, of: stream, from: file).encode(applying: edits, verify: true)
    #expect(blocks.map(\.wasTranscoded) == [true])
    let growth = blocks.reduce(0) { $0 + $1.bytes.count } - block.range.count
    #expect(growth < 1544 + 500, "\(growth)")
  }
}
