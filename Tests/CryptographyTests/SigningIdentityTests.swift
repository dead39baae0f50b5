// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Cryptography
import Messages
import TestSupport
import Testing

@Suite struct SigningIdentityTests {
  static let now: Int64 = 1_795_000_000

  static func certificate(of key: PrivateKey, from: Int64 = now - 10, to: Int64 = now + 10) throws -> Certificate {
    try SelfSignedCertificate(commonName: "T", serialNumber: [9], notBefore: from, notAfter: to).issue(by: key)
  }

  @Test func aCertificateOfAnotherKeyIsRejected() throws {
    let certificate = try Self.certificate(of: .generateRSA(bits: 2048))
    let error = thrown(CryptoError.self) {
      try SigningIdentity(key: .generateRSA(bits: 2048), certificate: certificate, at: Self.now)
    }
    #expect(error?.kind == .mismatch)
    #expect(error?.description == "cannot sign with certificate CN = T: the private key does not match it")
  }

  @Test func validityIsCheckedAgainstTheClock() throws {
    let key = try PrivateKey.generateRSA(bits: 2048)
    let expired = try Self.certificate(of: key, from: Self.now - 20, to: Self.now - 1)
    let error = thrown(CryptoError.self) {
      try SigningIdentity(key: key, certificate: expired, at: Self.now)
    }
    #expect(error?.reasons == ["it expired on 2026-11-18 11:06:39 UTC"])
    let future = try Self.certificate(of: key, from: Self.now + 1, to: Self.now + 20)
    #expect(throws: CryptoError.self) { try SigningIdentity(key: key, certificate: future, at: Self.now) }
    #expect(throws: Never.self) {
      try SigningIdentity(key: key, certificate: try Self.certificate(of: key), at: Self.now)
    }
  }

  @Test(arguments: [1024, 2047, 0, -1, 8192]) func unsupportedRSASizesAreRejected(bits: Int) {
    #expect(throws: CryptoError.self) { try PrivateKey.generateRSA(bits: bits) }
  }
}
