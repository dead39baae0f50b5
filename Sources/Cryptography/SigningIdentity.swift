// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// A private key and its certificate, checked to be acceptable to firmware.
package struct SigningIdentity: Sendable {
  package let key: PrivateKey
  package let certificate: Certificate

  /// Checks that key and certificate match and are suitable.
  ///
  /// Ignores the certificate's validity period, as firmware and shim do: a wrong clock must not leave a host without
  /// UKIs. `Certificate.validity(at:)` is for warnings. Throws `mismatch` if key and certificate do not match, `refused`
  /// for a key that is not RSA (EDK2 returns Access Denied) and for RSA below 2048 bits.
  package init(key: PrivateKey, certificate: Certificate) throws(CryptoError) {
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
    self.key = key
    self.certificate = certificate
  }
}
