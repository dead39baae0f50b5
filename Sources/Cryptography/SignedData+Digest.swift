// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import COpenSSL
internal import Messages

extension SignedData {
  /// A ContentInfo whose SignedData (RFC 5652 section 5) signs content that is known by its digest only: one RSA signer,
  /// no signed attributes, no certificates. It is the form that the kernel's `scripts/sign-file` gives to modules.
  package static func sign(
    digest: [UInt8], _ algorithm: DigestAlgorithm, by identity: SigningIdentity
  ) throws(CryptoError) -> [UInt8] {
    let operation: Message = "cannot sign with certificate \(identity.certificate.subject)"
    guard digest.count == algorithm.size else {
      throw CryptoError(.malformed, operation, ["\(digest.count) bytes are no \(algorithm.rawValue) digest"])
    }
    let signature = try identity.key.signature(ofDigest: digest, algorithm)
    ErrorQueue.clear()
    let flags = CUnsignedInt(CMS_NOCERTS | CMS_PARTIAL | CMS_BINARY | CMS_DETACHED | CMS_NOATTR | CMS_NOSMIMECAP)
    guard let message = CMS_sign(nil, nil, nil, nil, flags) else { throw ErrorQueue.drain(operation) }
    defer { CMS_ContentInfo_free(message) }
    guard
      let signer = CMS_add1_signer(
        message, identity.certificate.pointer, identity.key.pointer, algorithm.evp, flags),
      ASN1_STRING_set(CMS_SignerInfo_get0_signature(signer), signature, CInt(signature.count)) == 1
    else { throw ErrorQueue.drain(operation) }
    return try encodeDER(operation) { i2d_CMS_ContentInfo(message, $0) }
  }
}

extension PrivateKey {
  /// The RSASSA-PKCS1-v1_5 signature (RFC 8017 section 8.2) over content with this digest.
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
