// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import EFIData
import HostSystem
import SigningKeys
import TestSupport
import Testing

@Suite struct KeyHierarchyTests {
  static let owner = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
  /// 2024-02-29 23:59:58 UTC, at which the tests' keys are valid.
  static let time: Int64 = 1_709_251_198

  /// Keys for all roles, also as files for other tools.
  struct Keys {
    let scratch = try? TemporaryDirectory()
    let hierarchy: KeyHierarchy

    init() throws {
      hierarchy = try Self.shared.get()
      for role in KeyRole.allCases {
        let identity = hierarchy[role]
        try scratch?.write("\(role.name).key", try identity.key.serializedPEM(), mode: 0o600)
        try scratch?.write("\(role.name).crt", try identity.certificate.serializedPEM())
        try scratch?.write("\(role.name).esl", hierarchy.signatureList(for: role))
      }
    }

    private static let shared = Result {
      KeyHierarchy(
        platformKey: try identity("PK"), keyExchangeKey: try identity("KEK"),
        signatureDatabaseKey: try identity("db"), owner: owner)
    }

    static func identity(_ name: String) throws -> SigningIdentity {
      let key = try PrivateKey.generateRSA(bits: 2048)
      let certificate = try SelfSignedCertificate(
        commonName: name, serialNumber: [7], notBefore: 0, notAfter: 4_000_000_000
      ).issue(by: key)
      return try SigningIdentity(key: key, certificate: certificate)
    }

    func path(_ name: String) throws -> String { try #require(scratch).path(of: name) }

    /// The update that efitools makes from the same key, list and time.
    func theirUpdate(of variable: String, by signer: String, list: String) throws -> [UInt8] {
      try ExternalTool("sign-efi-sig-list").run([
        "-t", "2024-02-29 23:59:58", "-g", owner.description, "-k", path("\(signer).key"), "-c",
        path("\(signer).crt"), variable, path(list), path("their.auth"),
      ])
      return try #require(try scratch?.read("their.auth"))
    }
  }

  @Test func updatesMatchEfitoolsByteForByte() throws {
    let keys = try Keys()
    for (variable, signer) in [("PK", "PK"), ("KEK", "PK"), ("db", "KEK")] {
      let role = try #require(KeyRole(rawValue: variable))
      let ours = try keys.hierarchy.enrolmentUpdate(for: role, at: Self.time)
      #expect(try ours == keys.theirUpdate(of: variable, by: signer, list: "\(variable).esl"))
      #expect(try ours == keys.hierarchy.enrolmentUpdate(for: role, at: Self.time))
    }
    try keys.scratch?.write("empty.esl", [])
    let removal = try keys.hierarchy.platformKeyRemoval(at: Self.time)
    #expect(try removal == keys.theirUpdate(of: "PK", by: "PK", list: "empty.esl"))
  }

  @Test func listsMatchEfitools() throws {
    let keys = try Keys()
    for role in KeyRole.allCases {
      let output = try keys.path("their.esl")
      try ExternalTool("cert-to-efi-sig-list").run([
        "-g", Self.owner.description, keys.path("\(role.name).crt"), output,
      ])
      #expect(try keys.scratch?.read("their.esl") == keys.hierarchy.signatureList(for: role))
    }
  }

  /// EDK2's AuthService: version 1, SHA-256 as the digest algorithm at byte 13, two-byte lengths.
  @Test func theSignatureStartsAsFirmwareExpects() throws {
    let update = try AuthenticatedVariable(
      parsing: try Keys().hierarchy.enrolmentUpdate(for: .signatureDatabase, at: Self.time))
    #expect(update.signature.prefix(2) == [0x30, 0x82])
    #expect(update.signature[4..<13] == [0x02, 0x01, 0x01, 0x31, 0x0f, 0x30, 0x0d, 0x06, 0x09])
    #expect(update.signature[13..<22] == [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01])
  }

  @Test func opensslVerifiesTheSignatureAndTheTime() throws {
    let keys = try Keys()
    let scratch = try #require(keys.scratch)
    let update = try AuthenticatedVariable(
      parsing: try keys.hierarchy.enrolmentUpdate(for: .signatureDatabase, at: Self.time))
    let oid: [UInt8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02]
    let contentInfo = DER.element(
      DER.sequence, DER.element(DER.objectIdentifier, oid) + DER.element(0xa0, update.signature))
    try scratch.write("message.p7", contentInfo)
    func verify(at time: Int64, certificate: String) throws -> Int32 {
      let signed = AuthenticatedVariable.signedBytes(
        variable: .signatureDatabase, attributes: .keyDatabase, time: try #require(EFITime(unixSeconds: time)),
        payload: update.payload)
      try scratch.write("signed", signed)
      return try ExternalTool("openssl").result([
        "smime", "-verify", "-inform", "DER", "-in", keys.path("message.p7"), "-content", keys.path("signed"),
        "-binary", "-CAfile", keys.path(certificate), "-purpose", "any", "-out", "/dev/null",
      ]).status
    }
    #expect(try verify(at: Self.time, certificate: "KEK.crt") == 0)
    #expect(try verify(at: Self.time + 1, certificate: "KEK.crt") != 0)
    #expect(try verify(at: Self.time, certificate: "PK.crt") != 0)
  }

  @Test func timesOutOfRangeAreRejected() throws {
    let keys = try Keys()
    #expect(throws: CryptoError.self) { try keys.hierarchy.platformKeyRemoval(at: .max) }
  }
}
