// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import EFIData
import Messages
import TestSupport
import Testing

@Suite struct AuthenticatedVariableTests {
  static let owner = SignatureDatabaseTests.owner

  /// An update of PK signed by efitools at 2024-02-29 23:59:58, and the bytes that efitools signed.
  struct Sample {
    let auth: [UInt8]
    let signed: [UInt8]
    let list: [UInt8]

    init(variable: String) throws {
      let scratch = try TemporaryDirectory()
      let certificate = try TestCertificate(in: scratch)
      list = SignatureDatabase(certificates: [certificate.der], owner: owner).serialize()
      try scratch.write("in.esl", list)
      let input = scratch.path(of: "in.esl")
      let common = ["-g", owner.description, "-t", "2024-02-29 23:59:58"]
      let keys = ["-k", certificate.keyPath, "-c", certificate.path]
      try ExternalTool("sign-efi-sig-list").run(common + keys + [variable, input, scratch.path(of: "out.auth")])
      try ExternalTool("sign-efi-sig-list").run(common + ["-o", variable, input, scratch.path(of: "out.bundle")])
      auth = try #require(try scratch.read("out.auth"))
      signed = try #require(try scratch.read("out.bundle"))
    }
  }

  @Test(arguments: [
    EFIVariableName.platformKey, .keyExchangeKey, .signatureDatabase, .forbiddenDatabase,
  ])
  func signedBytesMatchEfitools(variable: EFIVariableName) throws {
    let sample = try Sample(variable: variable.name)
    let update = try AuthenticatedVariable(parsing: sample.auth)
    #expect(update.time == EFITime(unixSeconds: 1_709_251_198))
    #expect(update.payload == sample.list)
    #expect(update.serialize() == sample.auth)
    let signed = AuthenticatedVariable.signedBytes(
      variable: variable, attributes: .keyDatabase, time: update.time, payload: update.payload)
    #expect(signed == sample.signed)
  }

  @Test func truncationBeforeThePayloadIsAnError() throws {
    let sample = try Sample(variable: "PK")
    let payloadStart = sample.auth.count - sample.list.count
    for count in 0..<payloadStart {
      #expect(throws: ParseError.self) { try AuthenticatedVariable(parsing: Array(sample.auth.prefix(count))) }
    }
    #expect(try AuthenticatedVariable(parsing: Array(sample.auth.prefix(payloadStart))).payload.isEmpty)
  }

  @Test(arguments: [(16, UInt8(23)), (17, 0xff), (19, 0xff), (20, 1), (21, 1), (22, 0xf0), (23, 0), (24, 0), (39, 0)])
  func anInvalidHeaderIsRejected(offset: Int, value: UInt8) throws {
    let time = try #require(EFITime(unixSeconds: 0))
    var bytes = AuthenticatedVariable(time: time, signature: [], payload: [1, 2, 3]).serialize()
    #expect(bytes.count == 43)
    bytes[offset] = value
    #expect(throws: ParseError.self) { try AuthenticatedVariable(parsing: bytes) }
  }

  @Test func damagedUpdatesAreRejectedOrRoundTrip() throws {
    for bytes in Mutations(of: try Sample(variable: "db").auth, count: 5_000) {
      guard let update = try? AuthenticatedVariable(parsing: bytes) else { continue }
      #expect(update.serialize() == bytes)
      _ = try? SignatureDatabase(parsing: update.payload)
    }
  }

  @Test func efivarfsFilesStartWithAttributes() throws {
    let content = EFIVariableContent(attributes: .keyDatabase, data: [1])
    #expect(content.serialize() == [0x27, 0, 0, 0, 1])
    #expect(try EFIVariableContent(parsing: content.serialize()) == content)
    for count in 0..<4 {
      #expect(throws: ParseError.self) { try EFIVariableContent(parsing: Array(content.serialize().prefix(count))) }
    }
    #expect(EFIVariableName.signatureDatabase.fileName == "db-d719b2cb-3d3a-4596-a3bc-dad00e67656f")
    #expect(EFIVariableName.machineOwnerKeys.fileName == "MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23")
  }
}
