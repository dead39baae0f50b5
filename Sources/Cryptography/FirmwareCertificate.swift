// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import COpenSSL
internal import Messages

/// Certificates as entries of the firmware's lists (UEFI 2.10 section 32.4.1).
extension Certificate {
  /// Reads the DER certificate at the start of `bytes` and ignores bytes after it, as EDK2 and shim do.
  ///
  /// Throws `CryptoError`.
  package convenience init(parsingPrefixOf bytes: [UInt8]) throws(CryptoError) {
    ErrorQueue.clear()
    let parsed = bytes.withUnsafeBufferPointer { buffer in
      var cursor = buffer.baseAddress
      return d2i_X509(nil, &cursor, buffer.count)
    }
    guard let parsed else { throw ErrorQueue.drain("cannot read the certificate", .malformed) }
    try self.init(owning: parsed)
  }

  /// The digest of the to-be-signed part, with which dbx revokes a certificate (EFI_CERT_X509_SHA256_GUID and others).
  package func toBeSignedDigest(_ algorithm: DigestAlgorithm = .sha256) throws(CryptoError) -> [UInt8] {
    var reader = ByteReader(der, format: "X.509")
    guard var certificate = try? reader.readDER(DER.sequence), var body = try? certificate.readDER(DER.sequence) else {
      throw CryptoError(.malformed, "cannot compute the digest of the certificate", ["its encoding is not DER"])
    }
    return try Digest.of(DER.element(DER.sequence, Array(body.readToEnd())), algorithm)
  }

  /// Whether it has the extended key usage for kernel modules: shim does not trust it for images.
  package var isForKernelModules: Bool { psu_X509_has_key_usage(pointer, "1.3.6.1.4.1.2312.16.1.2") == 1 }
}
