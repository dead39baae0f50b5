// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import TestSupport
import Testing

@Suite struct SignedDataTests {
  static let now: Int64 = 1_795_000_000

  /// A fresh key with a certificate valid for a year around `now`.
  static func identity(_ name: String = "Test", bits: Int = 2048) throws -> SigningIdentity {
    let key = try PrivateKey.generateRSA(bits: bits)
    let certificate = try SelfSignedCertificate(
      commonName: name, serialNumber: [1, 2, 3], notBefore: now - 86400, notAfter: now + 31_536_000
    ).issue(by: key)
    return try SigningIdentity(key: key, certificate: certificate)
  }

  @Test func embeddedContentVerifiesUnlessAByteChanges() throws {
    let identity = try Self.identity()
    let inner = DER.element(DER.octetString, [1, 2, 3])
    let content = DER.element(DER.sequence, inner)
    let der = try SignedData.sign(
      embedding: content, type: "1.3.6.1.4.1.311.2.1.4", by: identity, signingTime: Self.now)
    let message = try SignedData(parsing: der)
    #expect(message.contentType == "1.3.6.1.4.1.311.2.1.4")
    #expect(message.content == content)
    #expect(message.version == 1)
    #expect(message.signers == [identity.certificate])
    #expect(try message.verifies(inner))
    #expect(try !message.verifies(DER.element(DER.octetString, [1, 2, 4])))
    #expect(try message.anchor(among: [identity.certificate]) == identity.certificate)
    #expect(try message.anchor(among: [Self.identity("Other").certificate]) == nil)
  }

  @Test func detachedContentVerifies() throws {
    let identity = try Self.identity()
    let message = try SignedData(parsing: try SignedData.sign(detached: [7, 8, 9], by: identity))
    #expect(message.content == nil)
    #expect(try message.verifies([7, 8, 9]))
    #expect(try !message.verifies([7, 8]))
  }

  /// EDK2 requires every signer to descend from the certificate; for a revocation one signer is enough.
  @Test func everySignerMustBeTrusted() throws {
    let (one, other) = (try SigningKey("one"), try SigningKey("other"))
    let files = [try one.certificateFile(), try one.keyFile(), try other.certificateFile(), try other.keyFile()]
    let der = try ExternalTool("openssl").run(
      ["smime", "-sign", "-binary", "-outform", "DER"]
        + zip(["-signer", "-inkey", "-signer", "-inkey"], files).flatMap { [$0, $1.path] },
      input: [7, 8, 9])
    let message = try SignedData(parsing: der)
    #expect(message.signers.count == 2)
    #expect(try message.verifies([7, 8, 9]))
    for certificate in [one.certificate, other.certificate] {
      #expect(try message.anchor(among: [certificate]) == nil)
      #expect(try message.hasSigner(from: [certificate]))
    }
    #expect(try !message.hasSigner(from: [Self.identity("Third").certificate]))
  }

  @Test func theSameInputGivesTheSameBytes() throws {
    let identity = try Self.identity()
    let content = DER.element(DER.sequence, [5, 0])
    let one = try SignedData.sign(embedding: content, type: "1.2.3.4", by: identity, signingTime: nil)
    let other = try SignedData.sign(embedding: content, type: "1.2.3.4", by: identity, signingTime: nil)
    #expect(one == other)
  }

  @Test func truncatedOrChangedDataNeverVerifies() throws {
    let identity = try Self.identity()
    let inner: [UInt8] = [5, 0]
    let der = try SignedData.sign(
      embedding: DER.element(DER.sequence, inner), type: "1.2.3.4", by: identity, signingTime: nil)
    for count in der.indices {
      #expect(throws: CryptoError.self) { try SignedData(parsing: Array(der.prefix(count))) }
    }
    for index in der.indices {
      for change: UInt8 in [0x01, 0x80, 0xff] {
        var mutated = der
        mutated[index] ^= change
        guard let message = try? SignedData(parsing: mutated) else { continue }
        _ = try? message.verifies(inner)
        _ = try? message.anchor(among: [identity.certificate])
      }
    }
  }

  @Test func otherContentTypesAreRejected() throws {
    let data = DER.element(DER.sequence, DER.element(0x06, [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1]))
    #expect(throws: CryptoError.self) { try SignedData(parsing: data) }
    let signedWithoutBody = DER.element(DER.sequence, DER.element(0x06, [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2]))
    #expect(throws: CryptoError.self) { try SignedData(parsing: signedWithoutBody) }
  }
}
