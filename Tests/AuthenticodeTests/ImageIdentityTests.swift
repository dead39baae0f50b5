// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Authenticode
import BinaryFormat
import Cryptography
import Messages
import PortableExecutable
import TestSupport
import Testing

@Suite struct ImageIdentityTests {
  /// It covers every byte of an image: those that the Authenticode digest omits, and the others through it.
  @Test func everyByteChangesTheIdentity() throws {
    let image = try SigningTests.signed(Fixture.stub257.bytes(), by: SigningKey())
    let identity = try ImageIdentity(of: image)
    let header = try PEHeader(parsing: image)
    let table = try #require(header.certificateTableRange)
    #expect(header.rangesOutsideDigest.reduce(0) { $0 + $1.count } == 4 + 8 + table.count)
    #expect(header.rangesOutsideDigest.last == table)
    for offset in Array(0..<header.sizeOfHeaders) + Array(stride(from: 0, to: image.count, by: 211)) + Array(table) {
      var other = image
      other[offset] ^= 1
      // A damaged header may no longer parse.
      let found = try? ImageIdentity(of: other)
      #expect(found != identity, "byte \(offset)")
      if header.digestRanges.allSatisfy({ !$0.contains(offset) }), let found {
        #expect(found.authenticode == identity.authenticode, "byte \(offset)")
      }
    }
    #expect((try? ImageIdentity(of: image + [0])) == nil)
  }

  /// The definition, with the Authenticode digest of another program.
  @Test func theIdentityIsAsDocumented() throws {
    let image = try SigningTests.signed(Fixture.stub257.bytes(), by: SigningKey())
    let identity = try ImageIdentity(of: image)
    let header = try PEHeader(parsing: image)
    let file = try ScratchFile(image, suffix: ".efi")
    let text = try ExternalTool("osslsigncode").result(["verify", "-in", file.path]).text
    let line = try #require(text.split(separator: "\n").first { $0.contains("Calculated message digest") })
    let digest = try #require([UInt8](hexadecimal: line.split(separator: " ").last ?? ""))
    let entry = try #require(header.certificateDirectoryOffset)
    let table = try #require(header.certificateTableRange)
    let rest = image[header.checkSumOffset..<header.checkSumOffset + 4] + image[entry..<entry + 8] + image[table]
    let parts = try ScratchFile(digest + rest)
    let sum = try ExternalTool("sha256sum").result([parts.path])
    #expect(identity.authenticode == digest && identity.value.hexadecimal == sum.text.prefix(64))
  }

  /// Written and read images have the same identity; what a damaged file has instead is a typed error or another one.
  @Test func theWriterKnowsTheIdentity() throws {
    let sink = MemorySink()
    let stub = try Fixture.stub257.bytes()
    let written = try ImageSigner(identity: SigningKey().identity, existing: .append).sign(stub, to: sink)
    #expect(try written.identity == ImageIdentity(of: sink.bytes) && written.size == sink.bytes.count)
    #expect(try written.isEqual(to: sink.bytes, copyOf: stub))
    var other = stub
    other[stub.count - 1] ^= 1
    #expect(try !written.isEqual(to: sink.bytes, copyOf: other))
    for mutation in Mutations(of: sink.bytes, count: 200) where mutation != sink.bytes {
      #expect(try !written.isEqual(to: mutation, copyOf: stub))
      do {
        #expect(try ImageIdentity(of: mutation) != written.identity)
      } catch is ParseError {}
    }
  }
}
