// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import COpenSSL
internal import Messages

/// The contents of a self-signed certificate for Secure Boot.
package struct SelfSignedCertificate: Sendable {
  package var commonName: String
  /// Positive, at most 20 bytes, most significant first.
  package var serialNumber: [UInt8]
  /// Start of the validity period in seconds since 1970.
  package var notBefore: Int64
  /// End of the validity period in seconds since 1970.
  package var notAfter: Int64
  /// Whether the certificate may issue other certificates.
  package var isAuthority: Bool
  /// keyUsage and extendedKeyUsage in OpenSSL's notation; nil omits the extension.
  package var keyUsage: String?
  package var extendedKeyUsage: String?

  package init(
    commonName: String, serialNumber: [UInt8], notBefore: Int64, notAfter: Int64, isAuthority: Bool = false,
    keyUsage: String? = nil, extendedKeyUsage: String? = nil
  ) {
    self.commonName = commonName
    self.serialNumber = serialNumber
    self.notBefore = notBefore
    self.notAfter = notAfter
    self.isAuthority = isAuthority
    self.keyUsage = keyUsage
    self.extendedKeyUsage = extendedKeyUsage
  }

  /// Issues the certificate of `key`, signed by `key` with SHA-256 (version 3, RFC 5280).
  package func issue(by key: PrivateKey) throws(CryptoError) -> Certificate {
    let operation: Message = "cannot create a certificate for \(commonName)"
    ErrorQueue.clear()
    guard let certificate = X509_new() else { throw ErrorQueue.drain(operation) }
    do {
      try fill(certificate, for: key, operation: operation)
    } catch {
      X509_free(certificate)
      throw error
    }
    return try Certificate(owning: certificate)
  }

  private func fill(_ certificate: OpaquePointer, for key: PrivateKey, operation: Message) throws(CryptoError) {
    let serial = BN_bin2bn(serialNumber, CInt(serialNumber.count), nil)
    defer { BN_free(serial) }
    guard let name = X509_NAME_new() else { throw ErrorQueue.drain(operation) }
    defer { X509_NAME_free(name) }
    guard
      X509_set_version(certificate, Int(X509_VERSION_3)) == 1,
      BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) != nil,
      ASN1_TIME_adj(X509_getm_notBefore(certificate), Int(notBefore), 0, 0) != nil,
      ASN1_TIME_adj(X509_getm_notAfter(certificate), Int(notAfter), 0, 0) != nil,
      X509_NAME_add_entry_by_txt(
        name, "CN", psu_utf8, Array(commonName.utf8), CInt(commonName.utf8.count), -1, 0) == 1,
      X509_set_subject_name(certificate, name) == 1,
      X509_set_issuer_name(certificate, name) == 1,
      X509_set_pubkey(certificate, key.pointer) == 1
    else { throw ErrorQueue.drain(operation) }
    try add(
      NID_basic_constraints, value: "critical,CA:" + (isAuthority ? "TRUE" : "FALSE"), to: certificate,
      operation: operation)
    if let keyUsage { try add(NID_key_usage, value: keyUsage, to: certificate, operation: operation) }
    if let extendedKeyUsage {
      try add(NID_ext_key_usage, value: extendedKeyUsage, to: certificate, operation: operation)
    }
    try add(NID_subject_key_identifier, value: "hash", to: certificate, operation: operation)
    guard X509_sign(certificate, key.pointer, EVP_sha256()) > 0 else { throw ErrorQueue.drain(operation) }
  }

  private func add(
    _ extensionID: CInt, value: String, to certificate: OpaquePointer, operation: Message
  ) throws(CryptoError) {
    var context = X509V3_CTX()
    X509V3_set_ctx(&context, certificate, certificate, nil, nil, 0)
    guard let item = X509V3_EXT_conf_nid(nil, &context, extensionID, value) else { throw ErrorQueue.drain(operation) }
    defer { X509_EXTENSION_free(item) }
    guard X509_add_ext(certificate, item, -1) == 1 else { throw ErrorQueue.drain(operation) }
  }
}
