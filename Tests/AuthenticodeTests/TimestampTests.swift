// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Authenticode
import BinaryFormat
import Cryptography
import PortableExecutable
import TestSupport
import Testing

/// Time stamps made by `openssl ts`.
@Suite struct TimestampTests {
  typealias Bytes = CertificateTableBytes

  /// The attribute with an RFC 3161 time stamp: 1.3.6.1.4.1.311.3.3.1.
  private static let type: [UInt8] = [0x2b, 6, 1, 4, 1, 0x82, 0x37, 3, 3, 1]

  let authority: TimestampAuthority
  let key: SigningKey
  let image: [UInt8]
  /// The signature without a time stamp.
  let der: [UInt8]

  init() throws {
    authority = try TimestampAuthority()
    key = try SigningKey()
    image = try SigningTests.signed(Fixture.stub257.bytes(), by: key)
    der = Bytes.firstSignature(of: image)
  }

  private func stamped(_ token: [UInt8]) throws -> AuthenticodeSignature {
    let der = DERTree.adding(attribute: Self.type, token, to: der)
    return try AuthenticodeSignature(parsing: CertificateTable.Entry(data: der))
  }

  private func signatureValue() throws -> [UInt8] {
    // ContentInfo, [0], SignedData, SignerInfos, SignerInfo, its last part.
    let signed = DERTree(parsing: der).children[1].children[0]
    return try #require(signed.children.last?.children[0].children.last?.contents)
  }

  @Test(arguments: ["sha1", "sha256", "sha512"]) func theTimeIsThatOfTheToken(digest: String) throws {
    let token = try authority.token(over: try signatureValue(), digest: digest)
    let signature = try stamped(token)
    #expect(try signature.isIntact())
    let expected = try authority.time(of: token)
    // The authority's certificate and its issuer are anchors; dates and purposes do not matter.
    #expect(try signature.timestamp(trusting: authority.signer) == expected)
    #expect(try signature.timestamp(trusting: authority.root) == expected)
    #expect(try signature.timestamp(trusting: key.certificate) == nil)
    #expect(signature.timestampToken?.signers == [authority.signer])
    // osslsigncode confirms that it is where Windows expects it.
    let signed = DERTree.adding(attribute: Self.type, token, to: der)
    let file = try ScratchFile(Bytes.image(try Fixture.stub257.bytes(), Bytes.entry(signed)), suffix: ".efi")
    let certificate = try key.certificateFile()
    let report = try ExternalTool("osslsigncode").result([
      "verify", "-ignore-cdp", "-CAfile", certificate.path, "-TSA-CAfile", authority.rootFile, "-in",
      file.path,
    ]).text
    #expect(report.contains("Timestamp Server Signature verification: ok"), "\(report)")
  }

  @Test func aTokenOverSomethingElseIsNotATime() throws {
    let other = try stamped(try authority.token(over: [1, 2, 3], digest: "sha256"))
    #expect(try other.timestamp(trusting: authority.root) == nil)
    #expect(other.timestampToken != nil)
    #expect(try AuthenticodeSignature(parsing: .init(data: der)).timestampToken == nil)
  }

  @Test func aDamagedTokenIsNotATime() throws {
    let token = try authority.token(over: try signatureValue(), digest: "sha256")
    let expected = try authority.time(of: token)
    for index in stride(from: 0, to: token.count, by: 7) {
      var damaged = token
      damaged[index] ^= 0x10
      guard let tree = try? SignedData(parsing: damaged), tree.signers.count == 1 else { continue }
      // Attributes need valid DER; what libcrypto reads may not be that.
      guard damaged[0...3] == token[0...3] else { continue }
      let der = Self.replacing(token, by: damaged, in: DERTree.adding(attribute: Self.type, token, to: der))
      guard let signature = try? AuthenticodeSignature(parsing: .init(data: der)) else { continue }
      let time = try signature.timestamp(trusting: authority.signer)
      #expect(time == nil || time == expected, "byte \(index)")
    }
  }

  private static func replacing(_ old: [UInt8], by new: [UInt8], in bytes: [UInt8]) -> [UInt8] {
    guard let start = bytes.indices.first(where: { bytes[$0...].starts(with: old) }) else { return bytes }
    return bytes[..<start] + new + bytes[(start + old.count)...]
  }

  /// EDK2 takes the last attribute, and its first value.
  @Test func theLastAttributeCounts() throws {
    let value = try signatureValue()
    let good = try authority.token(over: value, digest: "sha256")
    let other = try authority.token(over: [1], digest: "sha256")
    func signature(_ attributes: [[[UInt8]]]) throws -> AuthenticodeSignature {
      var tree = DERTree(parsing: DERTree.adding(attribute: Self.type, good, to: der))
      let last = tree.children[1].children[0].children.count - 1
      let count = tree.children[1].children[0].children[last].children[0].children.count
      tree.children[1].children[0].children[last].children[0].children[count - 1] = DERTree(
        0xa1,
        attributes.map { values in
          DERTree(
            0x30,
            [
              DERTree(parsing: DER.element(0x06, Self.type)), DERTree(0x31, values.map { DERTree(parsing: $0) }),
            ])
        })
      return try AuthenticodeSignature(parsing: .init(data: tree.bytes))
    }
    #expect(try signature([[other], [good]]).timestamp(trusting: authority.root) != nil)
    #expect(try signature([[good], [other]]).timestamp(trusting: authority.root) == nil)
    #expect(try signature([[good, other]]).timestamp(trusting: authority.root) != nil)
    #expect(try signature([[other, good]]).timestamp(trusting: authority.root) == nil)
  }
}
