// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Authenticode
import BinaryFormat
import Cryptography
import Messages
import PortableExecutable
import TestSupport
import Testing

@Suite struct SigningTests {
  static func signed(
    _ bytes: [UInt8], by key: SigningKey, _ existing: ImageSigner.ExistingSignatures = .replace, time: Int64? = nil
  ) throws -> [UInt8] {
    let sink = MemorySink()
    try ImageSigner(identity: key.identity, existing: existing, signingTime: time).sign(bytes, to: sink)
    return sink.bytes
  }

  /// For every kind of input and every key size: sbverify and osslsigncode accept the signatures.
  @Test(arguments: Fixture.allCases, [2048, 3072, 4096])
  func sbverifyAndOsslsigncodeAcceptSignatures(_ fixture: Fixture, _ bits: Int) throws {
    let key = try SigningKey(bits: bits)
    let image = try ScratchFile(try Self.signed(try fixture.bytes(), by: key), suffix: ".efi")
    let certificate = try key.certificateFile()
    let sbverify = String(
      decoding: try ExternalTool("sbverify").run(["--cert", certificate.path, image.path]), as: UTF8.self)
    #expect(sbverify == "Signature verification OK\n")
    let osslsigncode = try ExternalTool("osslsigncode").result([
      "verify", "-ignore-cdp", "-CAfile", certificate.path, "-time", "\(SigningKey.now)", "-in", image.path,
    ])
    #expect(osslsigncode.text.contains("Signature verification: ok"), "\(osslsigncode.text)")
    #expect(osslsigncode.text.contains("Number of verified signatures: 1"))
  }

  @Test(arguments: Fixture.allCases) func signaturesBySbsignAndOsslsigncodeAreValid(_ fixture: Fixture) throws {
    let key = try SigningKey()
    let output = try ScratchFile(suffix: ".efi")
    let keyFile = try key.keyFile()
    let certificate = try key.certificateFile()
    try ExternalTool("sbsign").run([
      "--key", keyFile.path, "--cert", certificate.path, "--output", output.path, fixture.path,
    ])
    let bySbsign = try output.bytes()
    let last = try #require(try SignedImage(parsing: bySbsign).signatures(in: bySbsign).last)
    #expect(last.verdict == .valid)
    #expect(try last.signature?.message.anchor(among: [key.certificate]) == key.certificate)

    let other = try ScratchFile(suffix: ".efi")
    _ = try ExternalTool("rm").run([other.path])
    try ExternalTool("osslsigncode").run([
      "sign", "-h", "sha256", "-certs", certificate.path, "-key", keyFile.path, "-in", fixture.path, "-out", other.path,
    ])
    let byOsslsigncode = try other.bytes()
    #expect(try SignedImage(parsing: byOsslsigncode).signatures(in: byOsslsigncode).map(\.verdict) == [.valid])
  }

  @Test func appendKeepsAndReplaceDropsOldSignatures() throws {
    let kernel = try Fixture.kernel61.bytes()
    let key = try SigningKey()
    let appended = try SignedImage(parsing: try Self.signed(kernel, by: key, .append))
    let before = try SignedImage(parsing: kernel)
    #expect(appended.table.entries.dropLast() == before.table.entries[...])
    #expect(appended.table.entries.count == 2)
    let both = try Self.signed(kernel, by: key, .append)
    #expect(try appended.signatures(in: both).map(\.verdict) == [.valid, .valid])
    let replaced = try Self.signed(kernel, by: key, .replace)
    let image = try SignedImage(parsing: replaced)
    #expect(try image.signatures(in: replaced).map(\.signature?.message.signers) == [[key.certificate]])
  }

  /// osslsigncode computes the checksum itself and reports a mismatch with the one in the file.
  @Test(arguments: Fixture.allCases) func checksumMatchesOsslsigncode(_ fixture: Fixture) throws {
    var bytes = try Self.signed(try fixture.bytes(), by: try SigningKey())
    func agrees() throws -> Bool {
      let image = try ScratchFile(bytes, suffix: ".efi")
      let report = try ExternalTool("osslsigncode").result(["verify", "-in", image.path]).text
      return report.split(separator: "\n").contains { $0.hasPrefix("PE checksum ") } && !report.contains("MISMATCH")
    }
    #expect(try agrees())
    bytes[try PEHeader(parsing: bytes).checkSumOffset] ^= 1
    #expect(try !agrees())
  }

  @Test func anyChangedByteInvalidatesTheSignature() throws {
    let bytes = try Self.signed(try Fixture.stub257.bytes(), by: try SigningKey())
    let image = try SignedImage(parsing: bytes)
    for range in image.header.digestRanges.dropFirst(3) {
      for index in [range.lowerBound, (range.lowerBound + range.upperBound) / 2, range.upperBound - 1] {
        var changed = bytes
        changed[index] ^= 1
        #expect(try SignedImage(parsing: changed).signatures(in: changed).map(\.verdict) == [.otherImage])
      }
    }
  }

  /// EDK2 advances by multiples of 8 bytes and must arrive exactly at the end of the table.
  @Test func aTableTruncatedInItsPaddingIsRejected() throws {
    let entry: [UInt8] = [12, 0, 0, 0, 0, 2, 2, 0, 1, 2, 3, 4]
    #expect(CertificateTable(parsing: entry + [0, 0, 0, 0], at: 0).endsExactly)
    for count in 0..<4 {
      let table = CertificateTable(parsing: entry + [UInt8](repeating: 0, count: count), at: 0)
      #expect(!table.endsExactly && table.defect != nil && table.entries.count == 1)
    }
  }

  @Test func damagedCertificateTablesNeverCrash() throws {
    let bytes = try Self.signed(try Fixture.stub257.bytes(), by: try SigningKey())
    let range = try #require(try PEHeader(parsing: bytes).certificateTableRange)
    for mutation in Mutations(of: Array(bytes[range]), count: 2_000) where mutation.count == range.count {
      let table = CertificateTable(parsing: mutation, at: range.lowerBound)
      for entry in table.entries { _ = try? AuthenticodeSignature(parsing: entry).isIntact() }
    }
  }

  @Test func theSameInputsGiveTheSameBytes() throws {
    let key = try SigningKey()
    let stub = try Fixture.stub252.bytes()
    #expect(try Self.signed(stub, by: key) == Self.signed(stub, by: key))
    #expect(try Self.signed(stub, by: key, time: 1) == Self.signed(stub, by: key, time: 1))
    #expect(try Self.signed(stub, by: key) != Self.signed(stub, by: key, time: 1))
  }

  @Test func anImageWithAFileGapIsRejected() throws {
    let stub = try Fixture.stub257.bytes()
    let header = try PEHeader(parsing: stub)
    let last = try #require(header.sections.indices.last)
    var bytes = stub
    bytes.insert(contentsOf: [UInt8](repeating: 0, count: 0x200), at: Int(header.sections[last].rawPointer))
    let field = header.sectionTableOffset + last * SectionHeader.size + 20
    bytes[field + 1] += 2
    let error = thrown(AuthenticodeError.self) { try Self.signed(bytes, by: try SigningKey()) }
    #expect(error?.rule == .layout)
  }
}
