// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Cryptography
package import PortableExecutable

/// One Authenticode signature: PKCS#7 signed data over an image digest.
package struct AuthenticodeSignature: Sendable {
  package let message: SignedData
  package let content: SpcIndirectData
  private let digested: [UInt8]

  /// Reads the signature in one entry of a certificate table.
  ///
  /// Throws `CryptoError` or `ParseError` if it cannot be read, `AuthenticodeError` if it is of another kind.
  package init(parsing entry: CertificateTable.Entry) throws {
    guard entry.type == CertificateTable.Entry.signedData else {
      throw AuthenticodeError(.shape, "the certificate table entry is of type \(entry.type), not PKCS signed data")
    }
    message = try SignedData(parsing: entry.data)
    guard message.contentType == SpcIndirectData.contentType, let bytes = message.content else {
      throw AuthenticodeError(.shape, "the signed data is of type \(message.contentType), not Authenticode")
    }
    content = try SpcIndirectData(parsing: bytes)
    var reader = ByteReader(bytes, format: "Authenticode content")
    var inner = try reader.readDER(DER.sequence)
    digested = Array(inner.readToEnd())
  }

  /// A signature over an image whose SHA-256 digest is `digest`.
  ///
  /// `signingTime` is in seconds since 1970; without one the same inputs give the same bytes.
  package static func sign(
    digest: [UInt8], by identity: SigningIdentity, signingTime: Int64? = nil
  ) throws -> CertificateTable.Entry {
    let content = SpcIndirectData(algorithm: .sha256, digest: digest)
    let der = try SignedData.sign(
      embedding: content.serialized, type: SpcIndirectData.contentType, by: identity, signingTime: signingTime)
    try requireFirmwareShape(der)
    return CertificateTable.Entry(data: der)
  }

  /// Whether the signature holds over its own content; says nothing about the image or about trust.
  package func isIntact() throws -> Bool { try message.verifies(digested) }

  /// EDK2 finds the digest algorithm at byte 32: every outer length must take two bytes, the version be 1 and SHA-256
  /// the only digest algorithm (DxeImageVerificationLib, `HashPeImageByType`).
  static func requireFirmwareShape(_ der: [UInt8]) throws(AuthenticodeError) {
    let sha256: [UInt8] = [0x60, 0x86, 0x48, 1, 101, 3, 4, 2, 1]
    guard der.count >= 256, der.count <= 0xffff, der[1] == 0x82, der.count > 41, Array(der[32..<41]) == sha256 else {
      throw AuthenticodeError(.shape, "the signature has \(der.count) bytes or a form that EDK2 does not read")
    }
  }
}
