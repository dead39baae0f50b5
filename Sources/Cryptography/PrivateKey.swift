// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import COpenSSL
internal import Messages

/// A private key for signing; its bytes stay in libcrypto.
package final class PrivateKey: @unchecked Sendable {  // EVP_PKEY is never modified after initialisation.
  let pointer: OpaquePointer

  init(owning pointer: OpaquePointer) { self.pointer = pointer }
  deinit { EVP_PKEY_free(pointer) }

  /// Parses PEM or DER: PKCS#8, encrypted or not, a traditional format, or PKCS#12.
  ///
  /// Throws `passphrase` if the key is encrypted and its passphrase is missing or wrong, `container` or
  /// `legacyContainer` for PKCS#12 that cannot be used, else `keyFile`.
  package convenience init(parsing bytes: [UInt8], passphrase source: PassphraseSource) throws(CryptoError) {
    let operation: Message = "cannot read the private key"
    let (key, asked) = try withReadOnlyBIO(bytes) { bio throws(CryptoError) in
      ErrorQueue.clear()
      return bytes.first == 0x30
        ? source.withCallback { d2i_PKCS8PrivateKey_bio(bio, nil, readPassphrase, $0) }
        : source.withCallback { PEM_read_bio_PrivateKey_ex(bio, nil, readPassphrase, $0, nil, nil) }
    }
    ErrorQueue.clear()
    if let key {
      self.init(owning: key)
      return
    }
    guard !asked else {
      throw CryptoError(.passphrase, operation, ["it is encrypted, and the passphrase is missing or wrong"])
    }
    let plain = try withReadOnlyBIO(bytes) { bio throws(CryptoError) in d2i_PrivateKey_bio(bio, nil) }
    ErrorQueue.clear()
    if let plain {
      self.init(owning: plain)
    } else if let container = try PKCS12Container(parsing: bytes) {
      let key = try container.open(passphrase: source).key
      EVP_PKEY_up_ref(key.pointer)
      self.init(owning: key.pointer)
    } else {
      throw CryptoError(.keyFile, operation, ["it is not a private key in PEM or DER"])
    }
  }

  /// Generates an RSA key of `bits` (2048, 3072 or 4096) with public exponent 65537.
  package static func generateRSA(bits: Int) throws(CryptoError) -> PrivateKey {
    ErrorQueue.clear()
    guard [2048, 3072, 4096].contains(bits) else {
      throw CryptoError(.refused, "cannot create an RSA key of \(bits) bits", ["supported are 2048, 3072 and 4096"])
    }
    guard let key = psu_EVP_RSA_gen(CUnsignedInt(bits)) else { throw ErrorQueue.drain("cannot create an RSA key") }
    return PrivateKey(owning: key)
  }

  /// The key as unencrypted PKCS#8 PEM.
  ///
  /// The caller must keep it secret.
  package func serializedPEM() throws(CryptoError) -> [UInt8] {
    try collectFromBIO("cannot encode the private key") {
      PEM_write_bio_PKCS8PrivateKey($0, pointer, nil, nil, 0, nil, nil)
    }
  }

  /// Iterations of PBKDF2 with HMAC-SHA-256 (OWASP, Password Storage Cheat Sheet, 2023): about 0.2 seconds.
  private static let iterations: CInt = 600_000
  /// Bytes.
  private static let saltSize: CInt = 16

  /// The key as PKCS#8 PEM, encrypted with AES-256-CBC under a passphrase (RFC 8018, PBES2).
  ///
  /// The caller wipes `passphrase`.
  package func serializedPEM(encryptedWith passphrase: [UInt8]) throws(CryptoError) -> [UInt8] {
    let operation: Message = "cannot encrypt the private key"
    ErrorQueue.clear()
    guard let plain = EVP_PKEY2PKCS8(pointer) else { throw ErrorQueue.drain(operation) }
    // Wipes the key.
    defer { PKCS8_PRIV_KEY_INFO_free(plain) }
    guard
      let scheme = PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), Self.iterations, nil, Self.saltSize, nil, NID_hmacWithSHA256)
    else { throw ErrorQueue.drain(operation) }
    let sealed = passphrase.withUnsafeBytes {
      PKCS8_set0_pbe($0.baseAddress?.assumingMemoryBound(to: CChar.self), CInt($0.count), plain, scheme)
    }
    guard let sealed else {
      X509_ALGOR_free(scheme)
      throw ErrorQueue.drain(operation)
    }
    defer { X509_SIG_free(sealed) }
    return try collectFromBIO(operation) { PEM_write_bio_PKCS8($0, sealed) }
  }

  /// The key's type and size.
  package var algorithm: PublicKeyAlgorithm { PublicKeyAlgorithm(of: pointer) }
}

extension PrivateKey {
  /// Signs `message` with RSASSA-PKCS1-v1_5 and SHA-256.
  package func signature(of message: [UInt8]) throws(CryptoError) -> [UInt8] {
    let operation: Message = "cannot sign"
    ErrorQueue.clear()
    guard let context = EVP_MD_CTX_new() else { throw ErrorQueue.drain(operation) }
    defer { EVP_MD_CTX_free(context) }
    var size = 0
    guard
      EVP_DigestSignInit_ex(context, nil, "SHA256", nil, nil, pointer, nil) == 1,
      EVP_DigestSign(context, nil, &size, message, message.count) == 1
    else { throw ErrorQueue.drain(operation) }
    var signature = [UInt8](repeating: 0, count: size)
    guard EVP_DigestSign(context, &signature, &size, message, message.count) == 1 else {
      throw ErrorQueue.drain(operation)
    }
    return Array(signature.prefix(size))
  }

  /// Signs content with this digest with RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2).
  func signature(ofDigest digest: [UInt8], _ algorithm: DigestAlgorithm) throws(CryptoError) -> [UInt8] {
    let operation: Message = "cannot sign"
    ErrorQueue.clear()
    guard let context = EVP_PKEY_CTX_new(pointer, nil) else { throw ErrorQueue.drain(operation) }
    defer { EVP_PKEY_CTX_free(context) }
    var size = 0
    guard
      EVP_PKEY_sign_init(context) == 1, EVP_PKEY_CTX_set_signature_md(context, algorithm.evp) == 1,
      EVP_PKEY_sign(context, nil, &size, digest, digest.count) == 1
    else { throw ErrorQueue.drain(operation) }
    var signature = [UInt8](repeating: 0, count: size)
    guard EVP_PKEY_sign(context, &signature, &size, digest, digest.count) == 1 else {
      throw ErrorQueue.drain(operation)
    }
    return Array(signature.prefix(size))
  }
}

/// The type of a key and its size in bits.
package enum PublicKeyAlgorithm: Hashable, Sendable, CustomStringConvertible {
  case rsa(bits: Int)
  case other(name: String, bits: Int)

  init(of key: OpaquePointer) {
    let bits = Int(EVP_PKEY_get_bits(key))
    if EVP_PKEY_is_a(key, "RSA") == 1 {
      self = .rsa(bits: bits)
    } else {
      self = .other(name: EVP_PKEY_get0_type_name(key).map { String(cString: $0) } ?? "unknown", bits: bits)
    }
  }

  package var description: String {
    switch self {
    case .rsa(let bits): "RSA \(bits)"
    case .other(let name, let bits): "\(name) \(bits)"
    }
  }
}
