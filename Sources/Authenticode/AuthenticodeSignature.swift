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
  /// Why EDK2 passes this signature over although it may hold, as the rest of a sentence; nil if it does not.
  package let firmwareObstacle: Message?
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
    firmwareObstacle = Self.obstacle(entry.data, message: message, algorithm: content.algorithm)
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

  private static func requireFirmwareShape(_ der: [UInt8]) throws(AuthenticodeError) {
    guard der.count >= 256, der.count <= 0xffff, isReadable(der, .sha256) else {
      throw AuthenticodeError(.shape, "the signature has \(der.count) bytes or a form that EDK2 does not read")
    }
  }

  private static func obstacle(_ der: [UInt8], message: SignedData, algorithm: DigestAlgorithm) -> Message? {
    for signer in message.signers {
      guard case .other(let name, _) = signer.algorithm else { continue }
      return "is by a key of type \(name); firmware verifies RSA only"
    }
    return isReadable(der, algorithm) ? nil : "has a form that EDK2 does not read"
  }

  /// EDK2 finds the digest algorithm at byte 32: every outer length must take two bytes, the version be 1 and the
  /// algorithm of the image's digest come first (DxeImageVerificationLib, `HashPeImageByType`).
  private static func isReadable(_ der: [UInt8], _ algorithm: DigestAlgorithm) -> Bool {
    der.count > 32 && der[1] == 0x82 && der[32...].starts(with: SpcIndirectData.identifiers[algorithm] ?? [])
  }
}

/// Why an image cannot be signed or its signature not be read.
package typealias AuthenticodeError = RuleError<AuthenticodeRule>

package enum AuthenticodeRule: ErrorRule {
  /// Signers and firmware would digest different bytes.
  case layout
  /// The image has no data directory that could name a certificate table.
  case noDirectory
  /// The signature is not of the shape EDK2 reads.
  case shape
  /// The file grows beyond what the format can describe.
  case size
}
