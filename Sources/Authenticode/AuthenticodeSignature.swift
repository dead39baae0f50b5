// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Cryptography
package import Messages
package import PortableExecutable

/// One Authenticode signature: PKCS#7 signed data over an image digest.
package struct AuthenticodeSignature: Sendable {
  package let message: SignedData
  package let content: SpcIndirectData
  /// Why EDK2 ignores this signature even if it is valid, as the rest of a sentence; nil if EDK2 checks it.
  package let firmwareObstacle: Message?
  private let digested: [UInt8]

  /// Parses the signature in one entry of a certificate table.
  ///
  /// Throws `CryptoError` or `ParseError` if it is malformed, `AuthenticodeError` if it is not Authenticode.
  package init(parsing entry: CertificateTable.Entry) throws {
    guard entry.type == CertificateTable.Entry.signedData else {
      throw AuthenticodeError(.shape, "the certificate table entry has type \(entry.type), not PKCS signed data")
    }
    message = try SignedData(parsing: entry.data)
    guard message.contentType == SpcIndirectData.contentType, let bytes = message.content else {
      throw AuthenticodeError(.shape, "the signed data has type \(message.contentType), not Authenticode")
    }
    content = try SpcIndirectData(parsing: bytes)
    var reader = ByteReader(bytes, format: "Authenticode content")
    var inner = try reader.readDER(DER.sequence)
    digested = Array(inner.readToEnd())
    firmwareObstacle = Self.obstacle(entry.data, message: message, algorithm: content.algorithm)
  }

  /// Signs an image whose SHA-256 Authenticode digest is `digest`.
  ///
  /// `signingTime` is in seconds since 1970; if nil, the same inputs give the same bytes.
  package static func sign(
    digest: [UInt8], by identity: SigningIdentity, signingTime: Int64? = nil
  ) throws -> CertificateTable.Entry {
    let content = SpcIndirectData(algorithm: .sha256, digest: digest)
    let der = try SignedData.sign(
      embedding: content.serialized, type: SpcIndirectData.contentType, by: identity, signingTime: signingTime)
    try requireFirmwareShape(der)
    return CertificateTable.Entry(data: der)
  }

  /// Whether the signature over its own content is valid; checks neither the image nor trust.
  package func isIntact() throws -> Bool { try message.verifies(digested) }

  private static func requireFirmwareShape(_ der: [UInt8]) throws(AuthenticodeError) {
    guard der.count >= 256, der.count <= 0xffff, isReadable(der, .sha256) else {
      throw AuthenticodeError(.shape, "EDK2 cannot read the signature of \(der.count) bytes: wrong size or format")
    }
  }

  private static func obstacle(_ der: [UInt8], message: SignedData, algorithm: DigestAlgorithm) -> Message? {
    for signer in message.signers {
      guard case .other(let name, _) = signer.algorithm else { continue }
      return "was made with a key of type \(name); firmware verifies RSA only"
    }
    return isReadable(der, algorithm) ? nil : "has a format that EDK2 cannot read"
  }

  /// Whether EDK2 finds the digest algorithm, which it expects at byte 32.
  ///
  /// Every outer length must take two bytes, the version must be 1 and the algorithm of the image's digest must come
  /// first (DxeImageVerificationLib, `HashPeImageByType`).
  private static func isReadable(_ der: [UInt8], _ algorithm: DigestAlgorithm) -> Bool {
    der.count > 32 && der[1] == 0x82 && der[32...].starts(with: SpcIndirectData.identifiers[algorithm] ?? [])
  }
}

/// Why an image cannot be signed or its signature cannot be read.
package typealias AuthenticodeError = RuleError<AuthenticodeRule>

package enum AuthenticodeRule: ErrorRule {
  /// Signers and firmware would compute different digests.
  case layout
  /// The image has no data directory for a certificate table.
  case noDirectory
  /// The signature has a format that EDK2 cannot read.
  case shape
  /// The signed file would exceed the format's size limit.
  case size
}
