// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import EFIData
import Messages
import TestSupport
import Testing

@Suite struct SignatureDatabaseTests {
  static let owner = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)

  /// Two lists like those in a firmware's dbx: one certificate, and two image digests in one list.
  static func sample() throws -> [UInt8] {
    let certificate = SignatureDatabase(certificates: [Array(repeating: 0x30, count: 100)], owner: owner)
    var writer = ByteWriter()
    writer.write(SignatureType.sha256.guid.bytes)
    for field in [UInt32(28 + 2 * 48), 0, 48] { writer.write(field) }
    for filling: UInt8 in [1, 2] {
      writer.write(owner.bytes)
      writer.write(repeatElement(filling, count: 32))
    }
    return certificate.serialize() + writer.bytes
  }

  @Test func listsSurviveARoundTrip() throws {
    let bytes = try Self.sample()
    let database = try SignatureDatabase(parsing: bytes)
    #expect(database.serialize() == bytes)
    #expect(database.signatures(of: .sha256).map(\.data.first) == [1, 2])
    #expect(database.signatures(of: .x509).map(\.owner) == [Self.owner])
    #expect(try SignatureDatabase(parsing: []).lists.isEmpty)
  }

  @Test func unknownTypesAndHeadersAreKept() throws {
    var writer = ByteWriter()
    writer.write(Self.owner.bytes)
    for field in [UInt32(28 + 3 + 2 * 17), 3, 17] { writer.write(field) }
    writer.write(UInt8(0)..<37)
    let database = try SignatureDatabase(parsing: writer.bytes)
    #expect(database.lists.first?.type == SignatureType(guid: Self.owner))
    #expect(database.lists.first?.header == [0, 1, 2])
    #expect(database.lists.first?.signatures.map(\.data) == [[19], [36]])
    #expect(database.serialize() == writer.bytes)
  }

  @Test func onlyCompleteListsAreAccepted() throws {
    let bytes = try Self.sample()
    let first = 28 + 16 + 100
    for count in 1..<bytes.count where count != first {
      #expect(throws: ParseError.self) { try SignatureDatabase(parsing: Array(bytes.prefix(count))) }
    }
    #expect(throws: ParseError.self) { try SignatureDatabase(parsing: bytes + [0]) }
  }

  @Test(arguments: [(16, 27), (16, 0), (16, 0xffff_ffff), (20, 1), (20, 0xffff_ffff), (24, 0), (24, 16), (24, 49)])
  func contradictorySizesAreRejected(offset: Int, value: UInt32) throws {
    var writer = ByteWriter()
    writer.write(try Self.sample().dropFirst(28 + 16 + 100))
    writer.patch(value, at: offset)
    let error = thrown(ParseError.self) { try SignatureDatabase(parsing: writer.bytes) }
    #expect(error?.rule == .range || error?.rule == .truncated)
  }

  @Test func damagedListsAreRejectedOrRoundTrip() throws {
    for bytes in Mutations(of: try Self.sample(), count: 5_000) {
      guard let database = try? SignatureDatabase(parsing: bytes) else { continue }
      #expect(database.serialize() == bytes)
    }
  }

  @Test func bytesMatchEfitools() throws {
    let scratch = try TemporaryDirectory()
    let certificate = try TestCertificate(in: scratch)
    try ExternalTool("cert-to-efi-sig-list").run([
      "-g", Self.owner.description, certificate.path, scratch.path(of: "theirs.esl"),
    ])
    let ours = SignatureDatabase(certificates: [certificate.der], owner: Self.owner)
    #expect(try ours.serialize() == scratch.read("theirs.esl"))
    try scratch.write("ours.esl", ours.serialize() + ours.serialize())
    let listing = try ExternalTool("sig-list-to-certs").result([scratch.path(of: "ours.esl"), scratch.path(of: "out")])
    #expect(listing.status == 0)
    #expect(try scratch.read("out-0.der") == certificate.der)
    #expect(try scratch.read("out-1.der") == certificate.der)
  }

  /// Written by virt-fw-sigdb 26.10 with two --add-hash options.
  static let golden =
    "2616c4c14c509240aca941f9369343287c0000000000000030000000443322116655887799aabbccddeeff00"
    + String(repeating: "ab", count: 32) + "443322116655887799aabbccddeeff00" + String(repeating: "cd", count: 32)

  @Test func digestListsByVirtFirmwareAreRead() throws {
    let theirs = try #require([UInt8](hexadecimal: Self.golden))
    let database = try SignatureDatabase(parsing: theirs)
    let digests = [0xab, 0xcd].map { SignatureList.Signature(owner: Self.owner, data: Array(repeating: $0, count: 32)) }
    #expect(database.lists.map(\.type) == [.sha256])
    #expect(database.signatures(of: .sha256) == digests)
    #expect(database.serialize() == theirs)
  }
}
