// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Messages

extension Certificate {
  /// SHA-256 of the to-be-signed part, by which dbx revokes a certificate (UEFI 2.10, EFI_CERT_X509_SHA256_GUID).
  package func toBeSignedDigest() throws(CryptoError) -> [UInt8] {
    var reader = ByteReader(der, format: "X.509")
    guard var certificate = try? reader.readDER(DER.sequence), var body = try? certificate.readDER(DER.sequence) else {
      throw CryptoError(.malformed, "cannot digest the certificate", ["its encoding is not DER"])
    }
    return try Digest.of(DER.element(DER.sequence, Array(body.readToEnd())))
  }
}
