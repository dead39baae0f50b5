// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// A private key with its certificate, proved to be one that firmware accepts.
package struct SigningIdentity: Sendable {
  package let key: PrivateKey
  package let certificate: Certificate

  /// Joins the two.
  ///
  /// Throws `mismatch` if they do not belong together, and `refused` for what firmware turns down (EDK2 answers
  /// Access Denied to every key that is not RSA) or an owner would regret: RSA below 2048 bits, a certificate that is
  /// not valid at `time` (seconds since 1970).
  package init(key: PrivateKey, certificate: Certificate, at time: Int64) throws(CryptoError) {
    let operation: Message = "cannot sign with certificate \(certificate.subject)"
    guard certificate.matches(key) else {
      throw CryptoError(.mismatch, operation, ["the private key does not belong to it"])
    }
    switch certificate.algorithm {
    case .rsa(let bits) where bits >= 2048: break
    case .rsa(let bits):
      throw CryptoError(.refused, operation, ["its RSA key has \(bits) bits, fewer than 2048"])
    case .other(let name, _):
      throw CryptoError(.refused, operation, ["its key is \(name); UEFI firmware verifies RSA only"])
    }
    guard let notBefore = certificate.notBefore, let notAfter = certificate.notAfter else {
      throw CryptoError(.refused, operation, ["its validity is unreadable"])
    }
    guard notBefore <= time else {
      throw CryptoError(.refused, operation, ["it becomes valid only on \(CalendarDate(seconds: notBefore))"])
    }
    guard time <= notAfter else {
      throw CryptoError(.refused, operation, ["it expired on \(CalendarDate(seconds: notAfter))"])
    }
    self.key = key
    self.certificate = certificate
  }
}
