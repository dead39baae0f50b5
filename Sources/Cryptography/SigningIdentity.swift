// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// A private key and its certificate, checked to be acceptable to firmware.
package struct SigningIdentity: Sendable {
  package let key: PrivateKey
  package let certificate: Certificate

  /// Checks that key and certificate match and are suitable.
  ///
  /// Throws `mismatch` if they do not match. Throws `refused` for a key that is not RSA (EDK2 returns Access Denied),
  /// for RSA below 2048 bits, and for a certificate that is not valid at `time` (seconds since 1970).
  package init(key: PrivateKey, certificate: Certificate, at time: Int64) throws(CryptoError) {
    let operation: Message = "cannot sign with certificate \(certificate.subject)"
    guard certificate.matches(key) else {
      throw CryptoError(.mismatch, operation, ["the private key does not match it"])
    }
    switch certificate.algorithm {
    case .rsa(let bits) where bits >= 2048: break
    case .rsa(let bits):
      throw CryptoError(.refused, operation, ["its RSA key has \(bits) bits, at least 2048 are required"])
    case .other(let name, _):
      throw CryptoError(.refused, operation, ["its key is \(name); UEFI firmware verifies RSA only"])
    }
    guard let notBefore = certificate.notBefore, let notAfter = certificate.notAfter else {
      throw CryptoError(.refused, operation, ["its validity period cannot be read"])
    }
    guard notBefore <= time else {
      throw CryptoError(.refused, operation, ["it is not valid before \(CalendarDate(seconds: notBefore))"])
    }
    guard time <= notAfter else {
      throw CryptoError(.refused, operation, ["it expired on \(CalendarDate(seconds: notAfter))"])
    }
    self.key = key
    self.certificate = certificate
  }
}
