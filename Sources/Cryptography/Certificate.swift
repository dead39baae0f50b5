// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import COpenSSL
internal import Glibc
internal import Messages

/// An X.509 certificate (RFC 5280).
package final class Certificate: @unchecked Sendable {  // X509 is never modified after initialisation.
  let pointer: OpaquePointer
  /// The DER encoding.
  package let der: [UInt8]
  /// Other certificates of its chain, which signatures of images contain too: firmware knows only the anchor.
  package let issuers: [Certificate]

  /// Takes ownership of one reference to `pointer`.
  init(owning pointer: OpaquePointer, issuers: [Certificate] = []) throws(CryptoError) {
    self.pointer = pointer
    self.der = try encodeDER("cannot encode the certificate") { i2d_X509(pointer, $0) }
    self.issuers = issuers
  }

  /// The same certificate with other certificates of its chain.
  convenience init(_ certificate: Certificate, issuers: [Certificate]) throws(CryptoError) {
    X509_up_ref(certificate.pointer)
    try self.init(owning: certificate.pointer, issuers: issuers)
  }

  /// Parses PEM (the first certificate) or DER, which must span the whole input.
  ///
  /// For files of the user, use `CertificateFile`: they may contain several certificates.
  package convenience init(parsing bytes: [UInt8]) throws(CryptoError) {
    let operation: Message = "cannot read the certificate"
    let pointer = try withReadOnlyBIO(bytes) { bio throws(CryptoError) in
      ErrorQueue.clear()
      guard bytes.first == 0x30 else {
        return PassphraseSource.none.withCallback { PEM_read_bio_X509(bio, nil, readPassphrase, $0) }.result
      }
      guard let certificate = d2i_X509_bio(bio, nil) else { return nil }
      guard BIO_ctrl(bio, BIO_CTRL_PENDING, 0, nil) == 0 else {
        X509_free(certificate)
        throw CryptoError(.malformed, operation, ["trailing bytes after the certificate"])
      }
      return certificate
    }
    guard let pointer else { throw ErrorQueue.drain(operation, .malformed) }
    try self.init(owning: pointer)
  }

  deinit { X509_free(pointer) }

  package func serializedPEM() throws(CryptoError) -> [UInt8] {
    try collectFromBIO("cannot encode the certificate") { PEM_write_bio_X509($0, pointer) }
  }

  /// SHA-256 of the DER encoding.
  package func fingerprint() throws(CryptoError) -> [UInt8] { try Digest.of(der) }

  package var subject: String { Self.text(of: X509_get_subject_name(pointer)) }
  package var issuer: String { Self.text(of: X509_get_issuer_name(pointer)) }

  /// The serial number, most significant byte first.
  package var serialNumber: [UInt8] {
    Self.bytes(of: X509_get0_serialNumber(pointer))
  }

  /// The subject key identifier (RFC 5280 section 4.2.1.2); nil without that extension.
  package var subjectKeyIdentifier: [UInt8]? { X509_get0_subject_key_id(pointer).map { Self.bytes(of: $0) } }

  /// Start of the validity period in seconds since 1970; nil if the encoding is not a time.
  package var notBefore: Int64? { Self.seconds(of: X509_get0_notBefore(pointer)) }
  /// End of the validity period in seconds since 1970; nil if the encoding is not a time.
  package var notAfter: Int64? { Self.seconds(of: X509_get0_notAfter(pointer)) }

  /// How a moment relates to a certificate's validity period.
  package enum Validity: Hashable, Sendable {
    case valid
    case notYetValid(from: CalendarDate)
    case expired(on: CalendarDate)
    /// The encoding of the period is not that of a time.
    case unknown
  }

  /// The validity at `time`, in seconds since 1970.
  ///
  /// Firmware and shim ignore it.
  package func validity(at time: Int64) -> Validity {
    guard let notBefore, let notAfter else { return .unknown }
    if time < notBefore { return .notYetValid(from: CalendarDate(seconds: notBefore)) }
    return time > notAfter ? .expired(on: CalendarDate(seconds: notAfter)) : .valid
  }

  package var algorithm: PublicKeyAlgorithm {
    guard let key = X509_get0_pubkey(pointer) else { return .other(name: "unknown", bits: 0) }
    return PublicKeyAlgorithm(of: key)
  }

  /// Whether `key` is the private half of this certificate's key.
  package func matches(_ key: PrivateKey) -> Bool {
    ErrorQueue.clear()
    defer { ErrorQueue.clear() }
    return X509_check_private_key(pointer, key.pointer) == 1
  }

  static func bytes(of string: UnsafePointer<ASN1_STRING>?) -> [UInt8] {
    guard let string, let data = ASN1_STRING_get0_data(string) else { return [] }
    return Array(UnsafeBufferPointer(start: data, count: Int(ASN1_STRING_length(string))))
  }

  static func text(of name: OpaquePointer?) -> String {
    let bytes = try? collectFromBIO("cannot format a name") {
      X509_NAME_print_ex($0, name, 0, psu_oneLine) >= 0 ? 1 : 0
    }
    return String(decoding: bytes ?? [], as: UTF8.self)
  }

  private static func seconds(of time: UnsafePointer<ASN1_TIME>?) -> Int64? {
    var fields = tm()
    guard let time, ASN1_TIME_to_tm(time, &fields) == 1 else { return nil }
    return Int64(timegm(&fields))
  }
}

extension Certificate: Hashable {
  package static func == (left: Certificate, right: Certificate) -> Bool { left.der == right.der }
  package func hash(into hasher: inout Hasher) { hasher.combine(der) }
}

extension Certificate {
  /// Whether this is `anchor`, or a certificate issued by it directly or through `issuers`.
  ///
  /// Follows EDK2: any certificate can be an anchor; validity dates and purposes are ignored.
  package func descends(from anchor: Certificate) throws(CryptoError) -> Bool {
    guard !issuers.isEmpty else { return try descends(from: anchor, over: nil) }
    guard let stack = psu_sk_X509_new_null() else { throw ErrorQueue.drain("cannot check a certificate chain") }
    defer { psu_sk_X509_free(stack) }
    for issuer in issuers { psu_sk_X509_push(stack, issuer.pointer) }
    return try descends(from: anchor, over: stack)
  }

  /// As above; certificates in the stack `others` may be intermediates.
  func descends(from anchor: Certificate, over others: OpaquePointer?) throws(CryptoError) -> Bool {
    ErrorQueue.clear()
    defer { ErrorQueue.clear() }
    guard let store = X509_STORE_new() else { throw ErrorQueue.drain("cannot check a certificate chain") }
    defer { X509_STORE_free(store) }
    guard let context = X509_STORE_CTX_new() else { throw ErrorQueue.drain("cannot check a certificate chain") }
    defer { X509_STORE_CTX_free(context) }
    guard
      X509_STORE_add_cert(store, anchor.pointer) == 1,
      X509_STORE_CTX_init(context, store, pointer, others) == 1
    else { throw ErrorQueue.drain("cannot check a certificate chain") }
    X509_STORE_CTX_set_flags(context, UInt(X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME))
    return X509_verify_cert(context) == 1
  }
}
