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
      try SigningIdentity(key: .generateRSA(bits: 2048), certificate: certificate)
    }
    #expect(error?.kind == .mismatch)
    #expect(error?.description == "cannot sign with certificate CN = T: the private key does not match it")
  }

  /// Firmware and shim ignore the dates, and the clock may be wrong by years.
  @Test(arguments: [
    (now - 11, Certificate.Validity.notYetValid(from: CalendarDate(seconds: now - 10))), (now - 10, .valid),
    (now + 10, .valid), (now + 11, .expired(on: CalendarDate(seconds: now + 10))),
    (0, .notYetValid(from: CalendarDate(seconds: now - 10))),
    (4_102_444_800, .expired(on: CalendarDate(seconds: now + 10))),
  ])
  func datesAreReportedAndPreventNothing(_ time: Int64, _ validity: Certificate.Validity) throws {
    let key = try PrivateKey.generateRSA(bits: 2048)
    let certificate = try Self.certificate(of: key)
    #expect(certificate.validity(at: time) == validity)
    #expect(throws: Never.self) { try SigningIdentity(key: key, certificate: certificate) }
  }

  @Test(arguments: [1024, 2047, 0, -1, 8192]) func unsupportedRSASizesAreRejected(bits: Int) {
    #expect(throws: CryptoError.self) { try PrivateKey.generateRSA(bits: bits) }
  }
}
