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
package struct SpcIndirectData: Hashable, Sendable {
  /// The object identifier of the content type, dotted.
  package static let contentType = "1.3.6.1.4.1.311.2.1.4"

  package var algorithm: DigestAlgorithm
  /// The image's digest.
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
    var type = try data.readDER(DER.objectIdentifier)
    guard Array(type.readToEnd()) == Self.peImageData else {
      throw ParseError("Authenticode content", at: data.offset, .unsupported, "it does not describe a PE image")
    }
    var info = try content.readDER(DER.sequence)
    try content.requireEnd()
    var identifier = try info.readDER(DER.sequence)
    var name = try identifier.readDER(DER.objectIdentifier)
    let oid = Array(name.readToEnd())
    guard let algorithm = Self.identifiers.first(where: { $0.value == oid })?.key else {
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
    let algorithmOID = DER.element(DER.objectIdentifier, Self.identifiers[algorithm] ?? [])
    let identifier = DER.element(DER.sequence, algorithmOID + DER.element(DER.null, []))
    return DER.element(
      DER.sequence,
      DER.element(DER.sequence, DER.element(DER.objectIdentifier, Self.peImageData) + image)
        + DER.element(DER.sequence, identifier + DER.element(DER.octetString, digest)))
  }

  /// 1.3.6.1.4.1.311.2.1.15, SPC_PE_IMAGE_DATA.
  private static let peImageData: [UInt8] = [0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 1, 15]
  /// 1.3.14.3.2.26 and 2.16.840.1.101.3.4.2.1 to 3.
  static let identifiers: [DigestAlgorithm: [UInt8]] = [
    .sha1: [0x2b, 14, 3, 2, 26],
    .sha256: [0x60, 0x86, 0x48, 1, 101, 3, 4, 2, 1],
    .sha384: [0x60, 0x86, 0x48, 1, 101, 3, 4, 2, 2],
    .sha512: [0x60, 0x86, 0x48, 1, 101, 3, 4, 2, 3],
  ]
}
