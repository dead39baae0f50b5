// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import COpenSSL
internal import Messages

/// A private key and certificates in one file with a passphrase (RFC 7292).
package final class PKCS12File: @unchecked Sendable {  // PKCS12 is never modified after initialisation.
  private let pointer: OpaquePointer

  /// Parses DER; nil if it is not a PKCS#12 file.
  package init?(parsing bytes: [UInt8]) {
    let parsed = try? withReadOnlyBIO(bytes) { bio throws(CryptoError) in d2i_PKCS12_bio(bio, nil) }
    ErrorQueue.clear()
    guard let pointer = parsed ?? nil else { return nil }
    self.pointer = pointer
  }

  deinit { PKCS12_free(pointer) }

  /// The private key and the certificates, that of the key first.
  ///
  /// Throws `passphrase` if the passphrase is missing or wrong, `container` if the file has no private key or an
  /// algorithm that libcrypto does not support. The caller wipes `passphrase`.
  package func open(passphrase: [UInt8]) throws(CryptoError) -> (key: PrivateKey, certificates: [Certificate]) {
    let operation: Message = "cannot read the PKCS#12 file"
    ErrorQueue.clear()
    defer { ErrorQueue.clear() }
    var text = passphrase.map { CChar(bitPattern: $0) } + [0]
    defer { text.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) } }
    guard PKCS12_mac_present(pointer) == 0 || isAuthentic(text, passphrase.count) else {
      throw CryptoError(.passphrase, operation, ["it is encrypted, and the passphrase is missing or wrong"])
    }
    var key: OpaquePointer?
    var certificate: OpaquePointer?
    var others: OpaquePointer?
    guard PKCS12_parse(pointer, text, &key, &certificate, &others) == 1 else {
      throw CryptoError(
        .container, operation, ["it is encrypted with an algorithm that OpenSSL 3 supports only in its legacy provider"])
    }
    var found: [Certificate] = []
    if let certificate { found.append(try Certificate(owning: certificate)) }
    if let others {
      defer { psu_sk_X509_free(others) }
      for index in 0..<psu_sk_X509_num(others) {
        if let other = psu_sk_X509_value(others, index) { found.append(try Certificate(owning: other)) }
      }
    }
    guard let key else { throw CryptoError(.container, operation, ["it contains no private key"]) }
    return (PrivateKey(owning: key), found)
  }

  /// An empty passphrase has two encodings.
  private func isAuthentic(_ text: [CChar], _ count: Int) -> Bool {
    if PKCS12_verify_mac(pointer, text, CInt(count)) == 1 { return true }
    return count == 0 && PKCS12_verify_mac(pointer, nil, 0) == 1
  }
}
