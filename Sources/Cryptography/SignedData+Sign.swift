// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import COpenSSL
internal import Messages

extension SignedData {
  /// A ContentInfo whose SignedData embeds `content`, a DER SEQUENCE of type `type` (dotted), with one SHA-256/RSA
  /// signer, its certificate, and the signed attributes contentType, messageDigest and, if given, signingTime (seconds
  /// since 1970). The message digest leaves out the SEQUENCE's tag and length, as Authenticode wants it.
  package static func sign(
    embedding content: [UInt8], type: String, by identity: SigningIdentity, signingTime: Int64?
  ) throws(CryptoError) -> [UInt8] {
    let operation: Message = "cannot sign with certificate \(identity.certificate.subject)"
    var reader = ByteReader(content, format: "DER")
    guard var inner = try? reader.readDER(DER.sequence), reader.isAtEnd else {
      throw CryptoError(.malformed, operation, ["the content is not a DER sequence"])
    }
    let digest = try Digest.of(Array(inner.readToEnd()))
    return try build(operation, by: identity) { message, signer in
      guard let sequence = ASN1_STRING_new() else { return false }
      guard
        ASN1_STRING_set(sequence, content, CInt(content.count)) == 1,
        psu_PKCS7_set_other_content(message, OBJ_txt2obj(type, 1), sequence) == 1
      else { return false }
      let attribute = PKCS7_add_signed_attribute(
        signer, NID_pkcs9_contentType, V_ASN1_OBJECT, UnsafeMutableRawPointer(OBJ_txt2obj(type, 1)))
      guard attribute == 1, PKCS7_add1_attrib_digest(signer, digest, CInt(digest.count)) == 1 else { return false }
      if let signingTime {
        guard PKCS7_add0_attrib_signing_time(signer, ASN1_TIME_set(nil, Int(signingTime))) == 1 else { return false }
      }
      return PKCS7_SIGNER_INFO_sign(signer) == 1
    }
  }

  /// A ContentInfo whose SignedData signs `content` without carrying it and without signed attributes, with one
  /// SHA-256/RSA signer and its certificate: the form authenticated variables take (UEFI 2.10 section 8.2.2).
  package static func sign(detached content: [UInt8], by identity: SigningIdentity) throws(CryptoError) -> [UInt8] {
    let operation: Message = "cannot sign with certificate \(identity.certificate.subject)"
    let signature = try identity.key.signature(of: content)
    return try build(operation, by: identity) { message, signer in
      PKCS7_content_new(message, NID_pkcs7_data) == 1 && psu_PKCS7_set_detached(message, 1) == 1
        && ASN1_STRING_set(signer.pointee.enc_digest, signature, CInt(signature.count)) == 1
    }
  }

  private static func build(
    _ operation: Message, by identity: SigningIdentity,
    _ fill: (UnsafeMutablePointer<PKCS7>, UnsafeMutablePointer<PKCS7_SIGNER_INFO>) -> Bool
  ) throws(CryptoError) -> [UInt8] {
    ErrorQueue.clear()
    guard let message = PKCS7_new() else { throw ErrorQueue.drain(operation) }
    defer { PKCS7_free(message) }
    guard
      PKCS7_set_type(message, NID_pkcs7_signed) == 1,
      PKCS7_add_certificate(message, identity.certificate.pointer) == 1,
      let signer = PKCS7_add_signature(message, identity.certificate.pointer, identity.key.pointer, EVP_sha256()),
      fill(message, signer)
    else { throw ErrorQueue.drain(operation) }
    return try encodeDER(operation) { i2d_PKCS7(message, $0) }
  }
}

extension PrivateKey {
  /// The RSASSA-PKCS1-v1_5 signature with SHA-256 over `message`.
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
}
