// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Cryptography
package import Messages

/// SpcIndirectDataContent of a PE image ("Windows Authenticode Portable Executable Signature Format").
///
///     SEQUENCE {
///       data          SEQUENCE { type OID 1.3.6.1.4.1.311.2.1.15, value SpcPeImageData },
///       messageDigest SEQUENCE { digestAlgorithm AlgorithmIdentifier, digest OCTET STRING } }
///
/// Neither EDK2 nor shim reads `data`, and pesign writes other types there: Debian's fwupd has 1.3.6.1.4.1.311.2.1.21,
/// individual code signing. So any type is accepted, with any value.
package struct SpcIndirectData: Hashable, Sendable {
  /// The object identifier of the content type, dotted.
  package static let contentType = "1.3.6.1.4.1.311.2.1.4"

  package var algorithm: DigestAlgorithm
  /// The image's digest, which is always the last part of the content.
  package var digest: [UInt8]

  package init(algorithm: DigestAlgorithm, digest: [UInt8]) {
    self.algorithm = algorithm
    self.digest = digest
  }

  package init(parsing der: [UInt8]) throws(ParseError) {
    var outer = ByteReader(der, format: "Authenticode content")
    var content = try outer.readDER(DER.sequence)
    try outer.requireEnd()
    var data = try content.readDER(DER.sequence)
    _ = try data.readDER(DER.objectIdentifier)
    var info = try content.readDER(DER.sequence)
    try content.requireEnd()
    var identifier = try info.readDER(DER.sequence)
    var name = try identifier.readDER(DER.objectIdentifier)
    guard let algorithm = DigestAlgorithm(objectIdentifier: Array(name.readToEnd())) else {
      throw ParseError("Authenticode content", at: info.offset, .unsupported, "the digest algorithm is unknown")
    }
    self.algorithm = algorithm
    var value = try info.readDER(DER.octetString)
    try info.requireEnd()
    digest = Array(value.readToEnd())
    guard digest.count == algorithm.size else {
      throw ParseError(
        "Authenticode content", at: value.offset, .range,
        "wrong length of the \(algorithm.rawValue) digest: \(digest.count) bytes")
    }
  }

  package var serialized: [UInt8] {
    let obsolete = Array("<<<Obsolete>>>".utf16.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] })
    let link = DER.element(0xa0, DER.element(0xa2, DER.element(0x80, obsolete)))
    let image = DER.element(DER.sequence, [0x03, 0x01, 0x00] + link)
    let algorithmOID = DER.element(DER.objectIdentifier, algorithm.objectIdentifier)
    let identifier = DER.element(DER.sequence, algorithmOID + DER.element(DER.null, []))
    return DER.element(
      DER.sequence,
      DER.element(DER.sequence, DER.element(DER.objectIdentifier, Self.peImageData) + image)
        + DER.element(DER.sequence, identifier + DER.element(DER.octetString, digest)))
  }

  /// 1.3.6.1.4.1.311.2.1.15, SPC_PE_IMAGE_DATA.
  private static let peImageData: [UInt8] = [0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 1, 15]
}
