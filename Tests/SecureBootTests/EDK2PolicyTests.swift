// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import EFIData
import HostSystem
import SecureBoot
import TestSupport
import Testing

/// Verdicts that `verdict-test` compares with real firmware; images signed by osslsigncode and sbsign, digests by pesign.
@Suite struct EDK2PolicyTests {
  let scene: TrustScene

  init() throws { scene = try TrustScene() }

  static let places = ["none", "digest", "root", "middle", "leaf"]

  private func list(_ place: String, of image: String) throws -> TrustScene.Lists {
    switch place {
    case "none": []
    case "digest": [(.sha256, try scene.digest(image))]
    default: [try scene.entry(place)]
    }
  }

  /// db and dbx each contain nothing, the digest, or one certificate of the chain.
  @Test func anImageSignedOnceStartsOnlyWithoutRevocation() throws {
    let image = try scene.sign(scene.unsigned, by: "leaf", as: "signed.efi")
    for db in Self.places {
      for dbx in Self.places {
        let database = try scene.database(db: list(db, of: image), dbx: list(dbx, of: image))
        // The new order looks at digests first.
        let isDisputed = db == "digest" && !["none", "digest"].contains(dbx)
        let expected: TrustEvaluation.Verdict =
          isDisputed ? .depends : db != "none" && dbx == "none" ? .starts : .rejected
        #expect(try scene.verdict(image, database) == expected, "db \(db), dbx \(dbx)")
      }
    }
  }

  /// Certificates do not matter for it.
  @Test func anUnsignedImageStartsByItsDigestOnly() throws {
    for db in Self.places {
      for dbx in Self.places {
        let database = try scene.database(db: list(db, of: scene.unsigned), dbx: list(dbx, of: scene.unsigned))
        let expected: TrustEvaluation.Verdict = db == "digest" && dbx != "digest" ? .starts : .rejected
        #expect(try scene.verdict(scene.unsigned, database) == expected, "db \(db), dbx \(dbx)")
      }
    }
  }

  /// The released order stops at the first revoked signature, whatever comes before it.
  @Test func aRevokedSignatureNextToAGoodOneDependsOnTheFirmware() throws {
    let good = try scene.sign(scene.unsigned, by: "leaf", as: "good.efi")
    let goodFirst = try scene.sign(good, by: "other", as: "good-first.efi")
    let bad = try scene.sign(scene.unsigned, by: "other", as: "bad.efi")
    let badFirst = try scene.sign(bad, by: "leaf", as: "bad-first.efi")
    let database = try scene.database(db: [scene.entry("root")], dbx: [scene.entry("other")])
    for image in [goodFirst, badFirst] {
      let result = try scene.result(image, database)
      #expect(result.verdict == .depends && !result.isAccepted, "\(result.reason)")
    }
    let withoutRevocation = try scene.database(db: [scene.entry("root")])
    for image in [goodFirst, badFirst] { #expect(try scene.verdict(image, withoutRevocation) == .starts) }
  }

  @Test(arguments: ["sha384", "sha512"])
  func theDigestCountsInTheSignaturesAlgorithm(_ algorithm: String) throws {
    let image = try scene.sign(scene.unsigned, by: "leaf", algorithm: algorithm, as: "image.efi")
    let type: SignatureType = algorithm == "sha384" ? .sha384 : .sha512
    let digest = try scene.digestAsSigned(image)
    #expect(try scene.verdict(image, scene.database(db: [scene.entry("root")])) == .starts)
    #expect(try scene.verdict(image, scene.database(db: [(type, digest)])) == .starts)
    #expect(try scene.verdict(image, scene.database(db: [scene.entry("root")], dbx: [(type, digest)])) == .rejected)
    // The released order does not look for other digests of a signed image.
    let other: TrustScene.Lists = [(.sha256, try scene.digest(image))]
    #expect(try scene.verdict(image, scene.database(db: other)) == .depends)
    #expect(try scene.verdict(image, scene.database(db: [scene.entry("root")], dbx: other)) == .depends)
  }

  @Test(arguments: [SignatureType.x509SHA256, .x509SHA384, .x509SHA512])
  func aDigestOfACertificateRevokesSignerAndAnchor(_ type: SignatureType) throws {
    let image = try scene.sign(scene.unsigned, by: "leaf", as: "image.efi")
    let always = [UInt8](repeating: 0, count: 16)
    func revocation(_ name: String) throws -> TrustScene.Lists {
      // The to-be-signed part as openssl cuts it out.
      let der = scene.path("\(name).tbs")
      try ExternalTool("openssl").run([
        "asn1parse", "-in", scene.chain.path("\(name).crt"), "-strparse", "4", "-noout", "-out", der,
      ])
      let algorithm = [.x509SHA256: "sha256", .x509SHA384: "sha384", .x509SHA512: "sha512"][type] ?? ""
      let digest = try ExternalTool("openssl").run(["dgst", "-\(algorithm)", "-binary", der])
      return [(type, digest + always)]
    }
    let db = try [scene.entry("root")]
    #expect(try scene.verdict(image, scene.database(db: db, dbx: revocation("leaf"))) == .rejected)
    #expect(try scene.verdict(image, scene.database(db: db, dbx: revocation("root"))) == .rejected)
    // EDK2 compares neither intermediate certificates nor others.
    #expect(try scene.verdict(image, scene.database(db: db, dbx: revocation("middle"))) == .starts)
    #expect(try scene.verdict(image, scene.database(db: db, dbx: revocation("other"))) == .starts)
  }

  /// Debian 12's firmware looks up the SHA-256 digest only.
  @Test(arguments: [(SignatureType.sha1, "sha1"), (.sha384, "sha384"), (.sha512, "sha512")])
  func otherDigestsOfAnUnsignedImageDependOnTheFirmware(_ type: SignatureType, _ algorithm: String) throws {
    let file = try FileSystem().openFile(scene.unsigned)
    let signed = try scene.sign(scene.unsigned, by: "other", algorithm: algorithm, as: "signed.efi")
    // The stub's size is a multiple of 8, so signing does not change the digest.
    #expect(file.count.isMultiple(of: 8))
    let digest: TrustScene.Lists = [(type, try scene.digestAsSigned(signed))]
    let sha256: TrustScene.Lists = [(.sha256, try scene.digest(scene.unsigned))]
    #expect(try scene.verdict(scene.unsigned, scene.database(db: digest)) == .depends)
    #expect(try scene.verdict(scene.unsigned, scene.database(db: sha256, dbx: digest)) == .depends)
  }

  @Test func aModifiedImageIsRejected() throws {
    let image = try scene.sign(scene.unsigned, by: "leaf", as: "image.efi")
    var bytes = try scene.read("image.efi")
    bytes[0x2000] ^= 1
    try scene.write("image.efi", bytes)
    let result = try scene.result(image, scene.database(db: [scene.entry("root")]))
    #expect(result.verdict == .rejected)
    #expect(result.reason.contains("modified after CN = leaf signed it"), "\(result.reason)")
  }

  /// An image with the leaf's signature in a table of this content.
  private func image(
    _ name: String = "image", _ table: (_ signature: [UInt8]) throws -> [UInt8]
  ) throws -> String {
    _ = try scene.sign(scene.unsigned, by: "leaf", as: "\(name).signed")
    let signature = CertificateTableBytes.firstSignature(of: try scene.read("\(name).signed"))
    try scene.write(name, CertificateTableBytes.image(Fixture.stub257.bytes(), table(signature)))
    return scene.path(name)
  }

  /// The specification lets a table end with padding; EDK2 wants its last entry to end with it.
  @Test func aTableWithTrailingBytesIsRejected() throws {
    let image = try image { CertificateTableBytes.entry($0) + [UInt8](repeating: 0, count: 8) }
    let result = try scene.result(image, scene.database(db: [scene.entry("root")]))
    #expect(result.verdict == .rejected && result.reason.contains("certificate table"), "\(result.reason)")
  }

  /// An entry of another type is skipped, but a valid one beside it counts.
  @Test(arguments: [0x0001, 0x0ef0, 0x0ef1] as [UInt16])
  func entriesOfOtherTypesAreSkipped(_ type: UInt16) throws {
    let other = CertificateTableBytes.entry([UInt8](repeating: 7, count: 24), type: type)
    for isFirst in [true, false] {
      let image = try image("first-\(isFirst)") {
        isFirst ? other + CertificateTableBytes.entry($0) : CertificateTableBytes.entry($0) + other
      }
      #expect(try scene.verdict(image, scene.database(db: [scene.entry("root")])) == .starts)
      #expect(try scene.verdict(image, scene.database()) == .rejected)
    }
  }

  /// A revocation with a time spares older signatures, if dbt confirms their age.
  @Test func aTimeStampSavesASignatureFromALaterRevocation() throws {
    let authority = try TimestampAuthority()
    let image = try image { signature in
      // ContentInfo, [0], SignedData, SignerInfos, SignerInfo, its last part.
      let signers = DERTree(parsing: signature).children[1].children[0].children.last?.children[0].children
      let token = try authority.token(over: signers?.last?.contents ?? [], digest: "sha256")
      let type: [UInt8] = [0x2b, 6, 1, 4, 1, 0x82, 0x37, 3, 3, 1]
      return CertificateTableBytes.entry(DERTree.adding(attribute: type, token, to: signature))
    }
    func verdict(_ year: UInt16, dbt: TrustScene.Lists) throws -> TrustEvaluation.Verdict {
      let time = [UInt8(year & 0xff), UInt8(year >> 8), 1, 1] + [UInt8](repeating: 0, count: 12)
      let revocation: TrustScene.Lists = [(.x509SHA256, try scene.certificate("leaf").toBeSignedDigest() + time)]
      return try scene.verdict(image, scene.database(db: [scene.entry("root")], dbx: revocation, dbt: dbt))
    }
    let trusted: TrustScene.Lists = [(.x509, authority.root.der)]
    #expect(try verdict(2199, dbt: trusted) == .starts)
    #expect(try verdict(2001, dbt: trusted) == .rejected)
    #expect(try verdict(2199, dbt: []) == .rejected)
    #expect(try verdict(2199, dbt: [scene.entry("root")]) == .rejected)
  }

  /// EDK2 reads certificates at any place in a list.
  @Test func theSecondCertificateOfAListCounts() throws {
    let keys = try (0..<2).map { _ in try SigningKey("ours") }
    let ders = keys.map(\.certificate.der)
    let image = try scene.sign(scene.unsigned, by: keys[1], as: "second.efi")
    #expect(ders[0].count == ders[1].count)
    let database = try scene.database(others: [.signatureDatabase: Self.list(of: ders)])
    #expect(try scene.verdict(image, database) == .starts)
  }

  /// One signature list with several certificates of the same size.
  static func list(of certificates: [[UInt8]]) -> [UInt8] {
    let size = 16 + (certificates.first?.count ?? 0)
    var writer = ByteWriter()
    writer.write(SignatureType.x509.guid.bytes)
    writer.write(UInt32(28 + size * certificates.count))
    writer.write(UInt32(0))
    writer.write(UInt32(size))
    for certificate in certificates {
      writer.write(TrustDatabaseTests.owner.bytes)
      writer.write(certificate)
    }
    return writer.bytes
  }
}
