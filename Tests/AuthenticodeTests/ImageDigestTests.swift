// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Authenticode
import BinaryFormat
import Cryptography
import Messages
import PortableExecutable
import TestSupport
import Testing

@Suite struct ImageDigestTests {
  @Test(arguments: Fixture.allCases) func digestMatchesPesign(_ fixture: Fixture) throws {
    let bytes = try fixture.bytes()
    let digest = try ImageDigest.compute(of: bytes, header: try PEHeader(parsing: bytes), as: .signing)
    // `hash: 0123…`, or only the digest in newer versions.
    let words = String(decoding: try ExternalTool("pesign").run(["-h", "-P", "-i", fixture.path]), as: UTF8.self)
      .split(whereSeparator: \.isWhitespace)
    #expect(words.contains { $0 == digest.hexadecimal }, "\(words)")
  }

  /// The same image with bytes after its last section, as EDK2, signers and shim digest it.
  ///
  /// pesign does both: with -P it pads to 8 bytes. efitools' hash-to-efi-sig-list pads too, although EDK2 looks for the
  /// digest without padding: its list does not allow such an image in firmware, but it does in shim.
  @Test(arguments: [0, 1, 7, 8]) func onlySigningPads(count: Int) throws {
    let bytes = try Fixture.stub257.bytes() + [UInt8](repeating: 0xaa, count: count)
    let image = try SignedImage(parsing: bytes)
    let file = try ScratchFile(bytes, suffix: ".efi")
    func pesign(_ options: [String]) throws -> String {
      String(decoding: try ExternalTool("pesign").run(["-h"] + options + ["-i", file.path]), as: UTF8.self)
    }
    let firmware = try image.digest(.sha256, of: bytes).hexadecimal
    let signing = try image.digest(.sha256, of: bytes, as: .signing).hexadecimal
    let shim = try image.digest(.sha256, of: bytes, as: .shim).hexadecimal
    let oldShim = try image.digest(.sha256, of: bytes, as: .shimBefore16_1)
    #expect(try pesign([]).contains(firmware))
    #expect(try pesign(["-P"]).contains(signing))
    #expect((firmware == signing) == count.isMultiple(of: 8))
    #expect(shim == signing)
    let list = try ScratchFile()
    let report = try ExternalTool("hash-to-efi-sig-list").run([file.path, list.path])
    #expect(String(decoding: report, as: UTF8.self).contains(shim))
    // Without the bytes after the sections.
    let stub = try Fixture.stub257.bytes()
    #expect(try oldShim == ImageDigest.compute(of: stub, header: PEHeader(parsing: stub)))
  }

  /// Shim pads only what comes after the sections.
  @Test func aFileThatEndsWithAnUnalignedSectionIsNotPaddedByShim() throws {
    var bytes = try Fixture.stub257.bytes()
    let header = try PEHeader(parsing: bytes)
    let index = try #require(
      header.sections.indices.max { header.sections[$0].rawPointer < header.sections[$1].rawPointer })
    // One byte less of the last section; a section's size need not be a multiple of the file alignment.
    bytes.removeLast()
    bytes[header.sectionTableOffset + index * SectionHeader.size + 16] = 0xff
    let size = Int(header.sections[index].rawSize) - 1
    bytes[header.sectionTableOffset + index * SectionHeader.size + 17] = UInt8(size >> 8 & 0xff)
    let image = try SignedImage(parsing: bytes)
    let firmware = try image.digest(.sha256, of: bytes)
    #expect(try image.digest(.sha256, of: bytes, as: .shim) == firmware)
    #expect(try image.digest(.sha256, of: bytes, as: .shimBefore16_1) == firmware)
    #expect(try image.digest(.sha256, of: bytes, as: .signing) != firmware)
  }

  @Test func formsAreEqualForASignedImage() throws {
    let bytes = try Fixture.kernel61.bytes()
    let image = try SignedImage(parsing: bytes)
    let digests = try [.firmware, .signing, .shim, .shimBefore16_1].map { form in
      try ImageDigest.compute(of: bytes, header: image.header, as: form)
    }
    #expect(Set(digests).count == 1)
  }

  /// One pass for all algorithms, and none for those that are known: a second source is not read.
  @Test func digestsAreComputedOnce() throws {
    let bytes = try Fixture.stub252.bytes()
    let image = try SignedImage(parsing: bytes)
    let all = try image.digests([.sha1, .sha256, .sha384, .sha512, .md5], of: bytes)
    #expect(all.count == 5 && all.allSatisfy { $0.value.count == $0.key.size })
    #expect(try image.digests([.sha1, .sha512], of: [UInt8]()) == all.filter { [.sha1, .sha512].contains($0.key) })
    #expect(throws: ParseError.self) { try image.digest(.sha256, of: [UInt8](), as: .signing) }
  }

  @Test(arguments: Fixture.kernels) func debiansKernelSignatureIsValid(_ fixture: Fixture) throws {
    let bytes = try fixture.bytes()
    let signatures = try SignedImage(parsing: bytes).signatures(in: bytes)
    #expect(signatures.map(\.verdict) == [.valid])
    let subject = try #require(signatures.first?.signature?.message.signers.first).subject
    let listing = String(decoding: try ExternalTool("sbverify").run(["--list", fixture.path]), as: UTF8.self)
    let name = try #require(subject.split(separator: "CN = ").last)
    #expect(listing.contains("CN=\(name)"), "\(subject) in \(listing)")
  }
}
