// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import COpenSSL
internal import Messages

/// A PKCS#7 SignedData (RFC 2315 section 9), as used by Authenticode and authenticated variables.
package final class SignedData: @unchecked Sendable {  // PKCS7 is never modified after initialisation.
  let pointer: UnsafeMutablePointer<PKCS7>

  /// The object identifier of the signed content, in dotted form.
  package let contentType: String
  /// The embedded content as DER, with tag and length; nil if it is detached or of type `data`.
  package let content: [UInt8]?
  /// All certificates included in the signature; at most `certificateLimit`.
  package let certificates: [Certificate]
  /// The signers' certificates in order; empty if one of them is not included in the signature.
  package let signers: [Certificate]
  /// The version field; EDK2 accepts only 1.
  package let version: Int

  /// Maximum number of signers.
  ///
  /// Signatures of images have one; checking one takes up to a millisecond.
  package static let signerLimit = 16
  /// Maximum number of certificates: libcrypto's limit for a chain.
  package static let certificateLimit = 100
  /// Maximum size of all name constraints in bytes, enough for about 50.
  private static let nameConstraintsLimit = 512

  /// Parses a ContentInfo of type signedData; trailing bytes are ignored as padding, as in firmware.
  ///
  /// Throws `CryptoError` `malformed` also for more signers or certificates than the limits, for keys of unusual size and
  /// for long lists of name constraints: checking them could take minutes. Firmware has no such limits.
  package init(parsing der: [UInt8]) throws(CryptoError) {
    let operation: Message = "cannot read the signature"
    ErrorQueue.clear()
    let parsed = der.withUnsafeBufferPointer { buffer in
      var cursor = buffer.baseAddress
      return d2i_PKCS7(nil, &cursor, buffer.count)
    }
    guard let parsed else { throw ErrorQueue.drain(operation, .malformed) }
    guard psu_PKCS7_type_is_signed(parsed) == 1, let contents = psu_PKCS7_contents(parsed) else {
      PKCS7_free(parsed)
      throw CryptoError(.malformed, operation, ["it is PKCS#7 but not signed data"])
    }
    let signerCount = psu_sk_PKCS7_SIGNER_INFO_num(PKCS7_get_signer_info(parsed))
    let certificateCount = psu_sk_X509_num(psu_PKCS7_certificates(parsed))
    guard signerCount <= Self.signerLimit, certificateCount <= Self.certificateLimit else {
      PKCS7_free(parsed)
      throw CryptoError(
        .malformed, operation,
        [
          signerCount > Self.signerLimit
            ? "it has \(signerCount) signers; at most \(Self.signerLimit) are supported"
            : "it has \(certificateCount) certificates; at most \(Self.certificateLimit) are supported"
        ])
    }
    pointer = parsed
    contentType = Self.text(of: contents.pointee.type)
    content = psu_PKCS7_other_content(parsed).map { string in
      Array(UnsafeBufferPointer(start: ASN1_STRING_get0_data(string), count: Int(ASN1_STRING_length(string))))
    }
    version = psu_PKCS7_version(parsed)
    certificates = try Self.certificates(in: psu_PKCS7_certificates(parsed))
    let stack = PKCS7_get0_signers(parsed, nil, 0)
    defer { psu_sk_X509_free(stack) }
    signers = try Self.certificates(in: stack)
    ErrorQueue.clear()
    guard certificates.allSatisfy({ psu_EVP_PKEY_is_quick(X509_get0_pubkey($0.pointer)) == 1 }) else {
      throw CryptoError(.malformed, operation, ["it has a certificate with a key that is too large"])
    }
    let constraints = certificates.reduce(0) { $0 + Int(psu_X509_name_constraints_size($1.pointer)) }
    guard constraints <= Self.nameConstraintsLimit else {
      throw CryptoError(.malformed, operation, ["its certificates have \(constraints) bytes of name constraints"])
    }
  }

  deinit { PKCS7_free(pointer) }

  /// Whether every signer's signature over `digested` is valid: the content octets without tag and length, or the
  /// detached content.
  ///
  /// Does not check trust.
  package func verifies(_ digested: [UInt8]) throws(CryptoError) -> Bool {
    guard !signers.isEmpty else { return false }
    let result = try withReadOnlyBIO(digested) { bio throws(CryptoError) in
      ErrorQueue.clear()
      return PKCS7_verify(pointer, nil, nil, bio, nil, PKCS7_NOVERIFY | PKCS7_BINARY)
    }
    ErrorQueue.clear()
    return result == 1
  }

  /// Whether every signer's signature over `digested` is valid and every signer descends from `anchor`.
  ///
  /// Follows EDK2's `Pkcs7Verify`, which shim uses, too.
  package func verifies(_ digested: [UInt8], trusting anchor: Certificate) throws(CryptoError) -> Bool {
    guard try descends(from: anchor) else { return false }
    return try verifies(digested)
  }

  /// Whether every signer's certificate is `anchor` or descends from it; false without signers.
  ///
  /// Follows EDK2: any certificate can be an anchor, also one in the middle of a chain; validity dates and purposes are
  /// ignored, but an issuer must be a CA by its extensions.
  package func descends(from anchor: Certificate) throws(CryptoError) -> Bool {
    guard !signers.isEmpty, isRelated(to: anchor) else { return false }
    for signer in Set(signers) {
      guard try signer.descends(from: anchor, over: psu_PKCS7_certificates(pointer)) else { return false }
    }
    return true
  }

  /// The first of `anchors` from which every signer descends.
  package func anchor(among anchors: [Certificate]) throws(CryptoError) -> Certificate? {
    for anchor in anchors where try descends(from: anchor) { return anchor }
    return nil
  }

  /// Whether any signer's certificate is one of `anchors` or descends from one.
  package func hasSigner(from anchors: [Certificate]) throws(CryptoError) -> Bool {
    for anchor in anchors where isRelated(to: anchor) {
      for signer in Set(signers) where try signer.descends(from: anchor, over: psu_PKCS7_certificates(pointer)) {
        return true
      }
    }
    return false
  }

  /// Whether `anchor` can be part of a chain: it is in the signature, or has issued a certificate in it by its name.
  ///
  /// This is cheap, and rules out nearly all certificates of a key store.
  private func isRelated(to anchor: Certificate) -> Bool {
    let subject = X509_get_subject_name(anchor.pointer)
    return certificates.contains {
      X509_NAME_cmp(X509_get_issuer_name($0.pointer), subject) == 0 || $0 == anchor
    }
  }

  /// Each signer's certificate and, after it, those of its issuers that the signature includes; no certificate twice.
  ///
  /// The firmware looks for digests of *signers* in dbx: EDK2's `Pkcs7GetSigners` returns `signers`, not this.
  package var signerChain: [Certificate] {
    var chain: [Certificate] = []
    for signer in signers {
      var next: Certificate? = signer
      while let certificate = next, !chain.contains(certificate) {
        chain.append(certificate)
        next = certificates.first {
          $0 != certificate && X509_check_issued($0.pointer, certificate.pointer) == X509_V_OK
        }
      }
    }
    ErrorQueue.clear()
    return chain
  }

  private static func certificates(in stack: OpaquePointer?) throws(CryptoError) -> [Certificate] {
    guard let stack else { return [] }
    var list: [Certificate] = []
    for index in 0..<psu_sk_X509_num(stack) {
      guard let certificate = psu_sk_X509_value(stack, index) else { continue }
      X509_up_ref(certificate)
      list.append(try Certificate(owning: certificate))
    }
    return list
  }

  fileprivate static func text(of object: OpaquePointer?) -> String {
    var buffer = [CChar](repeating: 0, count: 128)
    let count = OBJ_obj2txt(&buffer, CInt(buffer.count), object, 1)
    return String(decoding: buffer.prefix(max(0, min(Int(count), 127))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// What others have added to a signature.
extension SignedData {
  /// The DER encodings of unsigned attributes' values that are sequences, with their type in dotted form, signer by
  /// signer.
  ///
  /// With `firstValuesOnly`, only the first value of each attribute.
  package func unsignedAttributes(firstValuesOnly: Bool = false) -> [(type: String, value: [UInt8])] {
    var found: [(type: String, value: [UInt8])] = []
    let signers = PKCS7_get_signer_info(pointer)
    for number in 0..<max(0, psu_sk_PKCS7_SIGNER_INFO_num(signers)) {
      var attribute: CInt = 0
      var type: OpaquePointer?
      repeat {
        var index: CInt = 0
        while let value = psu_PKCS7_unsigned_attribute(
          psu_sk_PKCS7_SIGNER_INFO_value(signers, number), attribute, index, &type), index == 0 || !firstValuesOnly
        {
          found.append((Self.text(of: type), Certificate.bytes(of: value)))
          index += 1
        }
        attribute += 1
      } while type != nil
    }
    ErrorQueue.clear()
    return found
  }

  /// The only signer's signature; nil unless there is exactly one signer.
  package var signatureOfOnlySigner: [UInt8]? { onlySigner.map { Certificate.bytes(of: $0.pointee.enc_digest) } }

  /// The embedded octets of a message that is not Authenticode, such as a time stamp; nil if a signature over them is
  /// invalid or there are more than `limit`.
  package func verifiedContent(limit: Int) throws(CryptoError) -> [UInt8]? {
    guard !signers.isEmpty else { return nil }
    ErrorQueue.clear()
    defer { ErrorQueue.clear() }
    guard let output = BIO_new(BIO_s_mem()) else { throw ErrorQueue.drain("cannot read a time stamp") }
    defer { BIO_free(output) }
    guard PKCS7_verify(pointer, nil, nil, nil, output, PKCS7_NOVERIFY | PKCS7_BINARY) == 1 else { return nil }
    var data: UnsafeMutablePointer<CChar>?
    let count = psu_BIO_get_mem_data(output, &data)
    guard let data, 1...limit ~= count else { return nil }
    return Array(UnsafeRawBufferPointer(start: data, count: count))
  }
}

/// Signatures without attributes and certificates, by exactly one signer: the kernel's format for modules.
extension SignedData {
  /// The only signer of a message.
  package struct PlainSigner: Hashable, Sendable {
    /// Issuer and serial number of the signer's certificate.
    package let name: String
    package let algorithm: DigestAlgorithm
  }

  /// The only signer; nil unless there is exactly one, without signed attributes and with a supported digest algorithm.
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

  /// Whether the only signer has the issuer and serial number of `certificate` (RFC 2315 section 6.7).
  package func names(_ certificate: Certificate) -> Bool {
    guard let signer = onlySigner else { return false }
    return X509_NAME_cmp(psu_PKCS7_issuer(signer), X509_get_issuer_name(certificate.pointer)) == 0
      && ASN1_INTEGER_cmp(psu_PKCS7_serial(signer), X509_get0_serialNumber(certificate.pointer)) == 0
  }

  /// Whether the only signer's signature over content with this digest is valid for the key of `certificate`.
  ///
  /// Throws `CryptoError` if libcrypto fails.
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

extension SignedData {
  /// Signs and embeds `content`, a DER SEQUENCE of type `type` (dotted), with SHA-256 and RSA.
  ///
  /// The result is a ContentInfo with one signer, its certificate and that one's `issuers`, and the signed attributes
  /// contentType, messageDigest and, if given, signingTime (seconds since 1970). The message digest excludes the SEQUENCE's tag and length, as
  /// Authenticode requires.
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
      for issuer in identity.certificate.issuers {
        guard PKCS7_add_certificate(message, issuer.pointer) == 1 else { return false }
      }
      guard let sequence = ASN1_STRING_new() else { return false }
      guard
        ASN1_STRING_set(sequence, content, CInt(content.count)) == 1,
        psu_PKCS7_set_other_content(message, OBJ_txt2obj(type, 1), sequence) == 1
      else { return false }
      let attribute = PKCS7_add_signed_attribute(
        signer, NID_pkcs9_contentType, V_ASN1_OBJECT, UnsafeMutableRawPointer(OBJ_txt2obj(type, 1)))
      guard attribute == 1, PKCS7_add1_attrib_digest(signer, digest, CInt(digest.count)) == 1 else { return false }
      if let signingTime {
        // Without a time, libcrypto would use the present one.
        guard let time = ASN1_TIME_set(nil, Int(signingTime)),
          PKCS7_add0_attrib_signing_time(signer, time) == 1
        else { return false }
      }
      return PKCS7_SIGNER_INFO_sign(signer) == 1
    }
  }

  /// Signs `content` without embedding it, in the format of authenticated variables (UEFI 2.10 section 8.2.2).
  ///
  /// The result is a ContentInfo with one SHA-256/RSA signer and its certificate, without signed attributes.
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

extension SignedData {
  /// Signs content that is known only by its digest, in the format of the kernel's `scripts/sign-file`.
  ///
  /// The result is a ContentInfo with SignedData (RFC 5652 section 5): one RSA signer, no signed attributes, no
  /// certificates.
  package static func sign(
    digest: [UInt8], algorithm: DigestAlgorithm, by identity: SigningIdentity
  ) throws(CryptoError) -> [UInt8] {
    let operation: Message = "cannot sign with certificate \(identity.certificate.subject)"
    guard digest.count == algorithm.size else {
      throw CryptoError(.malformed, operation, ["\(digest.count) bytes are not a \(algorithm.rawValue) digest"])
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
