// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import COpenSSL
internal import Messages

/// A PKCS#7 SignedData (RFC 2315 section 9), as Authenticode and authenticated variables carry it.
package final class SignedData: @unchecked Sendable {  // PKCS7 is not changed after initialisation.
  let pointer: UnsafeMutablePointer<PKCS7>

  /// Object identifier of the signed content, in dotted form.
  package let contentType: String
  /// The embedded content as DER with tag and length; nil if it is detached or of type `data`.
  package let content: [UInt8]?
  /// All certificates that came with the signature.
  package let certificates: [Certificate]
  /// The certificates of the signers, in their order; empty if one of them did not come with the signature.
  package let signers: [Certificate]
  /// The version field; 1 is what EDK2 takes.
  package let version: Int

  /// Reads a ContentInfo of type signedData; bytes behind it are padding and ignored, as firmware does.
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
      throw CryptoError(.malformed, operation, ["it is PKCS#7, but not signed data"])
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
  }

  deinit { PKCS7_free(pointer) }

  /// Whether every signer's signature holds over `digested`: the content octets without tag and length, or the
  /// detached content. Says nothing about trust.
  package func verifies(_ digested: [UInt8]) throws(CryptoError) -> Bool {
    guard !signers.isEmpty else { return false }
    let result = try withReadOnlyBIO(digested) { bio throws(CryptoError) in
      ErrorQueue.clear()
      return PKCS7_verify(pointer, nil, nil, bio, nil, PKCS7_NOVERIFY | PKCS7_BINARY)
    }
    ErrorQueue.clear()
    return result == 1
  }

  /// The first of `anchors` that every signer's certificate is or descends from.
  ///
  /// As EDK2 does: any certificate can be an anchor, validity dates and purposes are not looked at.
  package func anchor(among anchors: [Certificate]) throws(CryptoError) -> Certificate? {
    guard !signers.isEmpty else { return nil }
    for anchor in anchors {
      var isAnchor = true
      for signer in signers where isAnchor { isAnchor = try descends(signer, from: anchor) }
      if isAnchor { return anchor }
    }
    return nil
  }

  /// Whether some signer's certificate is one of `anchors` or descends from one.
  package func hasSigner(from anchors: [Certificate]) throws(CryptoError) -> Bool {
    for anchor in anchors {
      for signer in signers where try descends(signer, from: anchor) { return true }
    }
    return false
  }

  private func descends(_ signer: Certificate, from anchor: Certificate) throws(CryptoError) -> Bool {
    try signer.descends(from: anchor, over: psu_PKCS7_certificates(pointer))
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

  private static func text(of object: OpaquePointer?) -> String {
    var buffer = [CChar](repeating: 0, count: 128)
    let count = OBJ_obj2txt(&buffer, CInt(buffer.count), object, 1)
    return String(decoding: buffer.prefix(max(0, min(Int(count), 127))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
