// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import COpenSSL
internal import Messages

/// Signatures without attributes, whose one signer is only named: the kernel's form for modules.
extension SignedData {
  /// What a message says of its one signer.
  package struct PlainSigner: Hashable, Sendable {
    /// Issuer and serial number of the certificate.
    package let name: String
    package let algorithm: DigestAlgorithm
  }

  /// Nil if there is not just one signer, if it has signed attributes, or its digest algorithm is not known here.
  package var plainSigner: PlainSigner? {
    guard let signer = onlySigner, psu_PKCS7_has_attributes(signer) == 0,
      let algorithm = DigestAlgorithm.forSignatures.first(where: {
        psu_PKCS7_digest_nid(signer) == EVP_MD_get_type($0.evp)
      })
    else { return nil }
    let issuer = Certificate.text(of: psu_PKCS7_issuer(signer))
    let serial = Certificate.bytes(of: psu_PKCS7_serial(signer)).hexadecimal
    return PlainSigner(name: "\(issuer), serial number \(serial)", algorithm: algorithm)
  }

  /// Whether the one signer is named as `certificate` is: by its issuer and serial number (RFC 2315 section 6.7).
  package func names(_ certificate: Certificate) -> Bool {
    guard let signer = onlySigner else { return false }
    return X509_NAME_cmp(psu_PKCS7_issuer(signer), X509_get_issuer_name(certificate.pointer)) == 0
      && ASN1_INTEGER_cmp(psu_PKCS7_serial(signer), X509_get0_serialNumber(certificate.pointer)) == 0
  }

  /// Whether the one signer's signature over content with this digest holds with the key of `certificate`. Throws
  /// `CryptoError` if libcrypto cannot say.
  package func verifies(digest: [UInt8], by certificate: Certificate) throws(CryptoError) -> Bool {
    guard let signer = onlySigner, let plain = plainSigner, digest.count == plain.algorithm.size else { return false }
    let operation: Message = "cannot verify with certificate \(certificate.subject)"
    ErrorQueue.clear()
    guard let context = EVP_PKEY_CTX_new(X509_get0_pubkey(certificate.pointer), nil) else {
      throw ErrorQueue.drain(operation)
    }
    defer {
      EVP_PKEY_CTX_free(context)
      ErrorQueue.clear()
    }
    guard EVP_PKEY_verify_init(context) == 1, EVP_PKEY_CTX_set_signature_md(context, plain.algorithm.evp) == 1 else {
      throw ErrorQueue.drain(operation)
    }
    let signature = Certificate.bytes(of: signer.pointee.enc_digest)
    return EVP_PKEY_verify(context, signature, signature.count, digest, digest.count) == 1
  }

  private var onlySigner: UnsafeMutablePointer<PKCS7_SIGNER_INFO>? {
    let signers = PKCS7_get_signer_info(pointer)
    guard psu_sk_PKCS7_SIGNER_INFO_num(signers) == 1 else { return nil }
    return psu_sk_PKCS7_SIGNER_INFO_value(signers, 0)
  }
}
