// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import COpenSSL
internal import Messages

/// A PKCS#12 file (RFC 7292): a private key and certificates, protected by a passphrase.
package final class PKCS12Container: @unchecked Sendable {  // PKCS12 is never modified after initialisation.
  private let pointer: OpaquePointer
  private let operation: Message = "cannot read the private key"

  /// Nil if `bytes` are not PKCS#12 in DER.
  package init?(parsing bytes: [UInt8]) throws(CryptoError) {
    let parsed = try withReadOnlyBIO(bytes) { bio throws(CryptoError) in d2i_PKCS12_bio(bio, nil) }
    ErrorQueue.clear()
    guard let parsed else { return nil }
    pointer = parsed
  }

  deinit { PKCS12_free(pointer) }

  /// What it contains.
  package struct Content {
    package var key: PrivateKey
    /// That of the key first.
    package var certificates: [Certificate]
  }

  /// Opens it without a passphrase, or with the one of `source`.
  ///
  /// Throws `passphrase` if it is missing or wrong, `legacyContainer` for algorithms that need libcrypto's legacy
  /// provider, `container` for a damaged file and one without a private key.
  package func open(passphrase source: PassphraseSource) throws(CryptoError) -> Content {
    if isOpened(by: [0]) { return try content(with: [0]) }
    guard var text = source.bytes() else { throw wrongPassphrase }
    defer { text.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) } }
    // The functions below expect a C string.
    guard !text.contains(0) else { throw wrongPassphrase }
    text.append(0)
    guard isOpened(by: text) else { throw wrongPassphrase }
    return try content(with: text)
  }

  private var wrongPassphrase: CryptoError {
    CryptoError(.passphrase, operation, ["it is encrypted, and the passphrase is missing or wrong"])
  }

  /// Whether the passphrase, a C string, is right.
  ///
  /// A file without a checksum shows that only when it is decrypted.
  private func isOpened(by text: [UInt8]) -> Bool {
    defer { ErrorQueue.clear() }
    guard PKCS12_mac_present(pointer) == 1 else { return true }
    return text.withUnsafeBytes { bytes in
      let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      // An empty passphrase has two encodings (RFC 7292 appendix B.1).
      return PKCS12_verify_mac(pointer, start, CInt(bytes.count - 1)) == 1
        || bytes.count == 1 && PKCS12_verify_mac(pointer, nil, 0) == 1
    }
  }

  private func content(with text: [UInt8]) throws(CryptoError) -> Content {
    ErrorQueue.clear()
    var key: OpaquePointer?
    var certificate: OpaquePointer?
    var others: OpaquePointer?
    let isParsed = text.withUnsafeBytes { bytes in
      PKCS12_parse(pointer, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), &key, &certificate, &others) == 1
    }
    defer { psu_sk_X509_free(others) }
    guard isParsed else {
      guard ErrorQueue.containsUnsupported else {
        ErrorQueue.clear()
        throw CryptoError(.container, operation, ["it is a PKCS#12 file that cannot be decrypted"])
      }
      ErrorQueue.clear()
      throw CryptoError(
        .legacyContainer, operation,
        ["it is a PKCS#12 file with an algorithm that OpenSSL 3 supports only with its legacy provider"])
    }
    ErrorQueue.clear()
    var certificates: [Certificate] = []
    if let certificate { certificates.append(try Certificate(owning: certificate)) }
    for index in 0..<(others.map { psu_sk_X509_num($0) } ?? 0) {
      if let other = psu_sk_X509_value(others, index) { certificates.append(try Certificate(owning: other)) }
    }
    guard let key else {
      throw CryptoError(.keyFile, operation, ["it is a PKCS#12 file without a private key"])
    }
    return Content(key: PrivateKey(owning: key), certificates: certificates)
  }
}
