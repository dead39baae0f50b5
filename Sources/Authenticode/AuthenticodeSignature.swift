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
  private let der: [UInt8]
  private let digested: [UInt8]

  /// Parses the signature in one entry of a certificate table.
  ///
  /// Throws `CryptoError` or `ParseError` if it is malformed, `AuthenticodeError` if it is not Authenticode.
  package init(parsing entry: CertificateTable.Entry) throws {
    guard let der = entry.signedData else {
      throw AuthenticodeError(
        .otherType, "the certificate table entry has type 0x\(String(entry.type, radix: 16)), not PKCS#7 signed data")
    }
    self.der = der
    message = try SignedData(parsing: der)
    guard message.contentType == SpcIndirectData.contentType, let bytes = message.content else {
      throw AuthenticodeError(.shape, "the signed data has type \(message.contentType), not Authenticode")
    }
    content = try SpcIndirectData(parsing: bytes)
    var reader = ByteReader(bytes, format: "Authenticode content")
    var inner = try reader.readDER(DER.sequence)
    digested = Array(inner.readToEnd())
  }

  /// The signature in one entry, or why it cannot be read.
  package static func reading(_ entry: CertificateTable.Entry) -> Result<AuthenticodeSignature, AuthenticodeError> {
    do {
      return .success(try AuthenticodeSignature(parsing: entry))
    } catch let error as AuthenticodeError {
      return .failure(error)
    } catch {
      return .failure(AuthenticodeError(.unreadable, Message(error)))
    }
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
    guard 256...0xffff ~= der.count, hasFirmwareForm(der), firmwareAlgorithm(of: der) == .sha256 else {
      throw AuthenticodeError(.shape, "EDK2 cannot read the signature of \(der.count) bytes: wrong size or format")
    }
    return CertificateTable.Entry(data: der)
  }
}

/// What a signature is over.
extension AuthenticodeSignature {
  /// Whether the signature over its own content is valid; checks neither the image nor trust.
  package func isIntact() throws -> Bool { try message.verifies(digested) }

  /// Whether the content ends with `digest`, which is how EDK2 and shim compare it with an image's
  /// (`AuthenticodeVerify`): they do not read the algorithm in the content.
  ///
  /// EDK2 passes the digest with `firmwareAlgorithm`; shim passes SHA-256 for every signature.
  package func matches(digest: [UInt8]) -> Bool {
    !digest.isEmpty && digested.count >= digest.count && digested.suffix(digest.count).elementsEqual(digest)
  }

  /// Whether EDK2 and shim find that the signature is valid, is over `digest`, and that every signer descends from
  /// `anchor`.
  package func verifies(digest: [UInt8], trusting anchor: Certificate) throws -> Bool {
    guard hasFirmwareForm, matches(digest: digest) else { return false }
    return try message.verifies(digested, trusting: anchor)
  }
}

/// What firmware can read.
extension AuthenticodeSignature {
  /// The algorithm with which EDK2 computes the image's digest for this signature; nil if it skips the signature.
  package var firmwareAlgorithm: DigestAlgorithm? { Self.firmwareAlgorithm(of: der) }

  /// Whether EDK2 and shim recognise the ContentInfo around the signed data (`WrapPkcs7Data`); if not, they find
  /// neither a signer nor a valid signature.
  ///
  /// Both outer lengths must have two bytes.
  package var hasFirmwareForm: Bool { Self.hasFirmwareForm(der) }

  /// Why firmware may be unable to use the signers' keys, as the rest of a sentence; nil for RSA keys.
  package var keyObstacle: Message? {
    for signer in message.signers {
      guard case .other(let name, _) = signer.algorithm else { continue }
      return "was made with a key of type \(name); firmware verifies RSA only"
    }
    return nil
  }

  /// Why EDK2 cannot read the signature, as the rest of a sentence; nil if it can.
  package var formObstacle: Message? {
    guard hasFirmwareForm else { return "has a format that EDK2 cannot read" }
    if firmwareAlgorithm == content.algorithm { return nil }
    return content.algorithm == .md5
      ? "is over an MD5 digest, which firmware does not support" : "has a format that EDK2 cannot read"
  }

  /// Why firmware ignores this signature even if it is valid, as the rest of a sentence; nil if it checks it.
  package var firmwareObstacle: Message? { keyObstacle ?? formObstacle }

  /// EDK2 expects the algorithm at byte 32 (DxeImageVerificationLib, `HashPeImageByType`), the first of those in the
  /// signed data.
  ///
  /// It requires bits of a two-byte length in byte 1, which other lengths can have, too.
  package static func firmwareAlgorithm(of der: [UInt8]) -> DigestAlgorithm? {
    guard der.count > 32, der[1] & 0x82 == 0x82 else { return nil }
    return DigestAlgorithm.forSignatures.first { der[32...].starts(with: $0.objectIdentifier) }
  }

  private static func hasFirmwareForm(_ der: [UInt8]) -> Bool {
    let type: [UInt8] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02, 0xa0, 0x82]
    return der.count > 19 && der[4...].starts(with: type)
  }
}

/// What was added to a signature, outside of what it covers.
extension AuthenticodeSignature {
  /// Further signatures in an attribute of this one (1.3.6.1.4.1.311.2.4.1), as Windows uses them.
  ///
  /// Each is returned as if it were an entry of the certificate table. Firmware and shim do not read them.
  package var nested: [CertificateTable.Entry] {
    message.unsignedAttributes().filter { $0.type == "1.3.6.1.4.1.311.2.4.1" }.prefix(CertificateTable.entryLimit)
      .map { CertificateTable.Entry(data: $0.value) }
  }

  /// The time stamp (RFC 3161) that EDK2 reads: that in the last attribute 1.3.6.1.4.1.311.3.3.1.
  ///
  /// Nil if there is none, or if there is more than one signer.
  package var timestampToken: TimestampToken? {
    guard let signature = message.signatureOfOnlySigner,
      let attribute = message.unsignedAttributes(firstValuesOnly: true).last(where: {
        $0.type == "1.3.6.1.4.1.311.3.3.1"
      })
    else { return nil }
    return TimestampToken(der: attribute.value, stamped: signature)
  }

  /// When the signature was made, in seconds since 1970, if a time-stamping authority whose certificate descends from
  /// `anchor` confirms it; nil if not.
  ///
  /// As EDK2's `ImageTimestampVerify`. Throws `CryptoError` if libcrypto fails.
  package func timestamp(trusting anchor: Certificate) throws -> Int64? {
    try timestampToken?.time(trusting: anchor)
  }
}

/// Why an image cannot be signed or its signature cannot be read.
package typealias AuthenticodeError = RuleError<AuthenticodeRule>

package enum AuthenticodeRule: ErrorRule {
  /// Signers and firmware would compute different digests.
  case layout
  /// The image has no data directory for a certificate table.
  case noDirectory
  /// The entry of the certificate table is not PKCS#7 signed data.
  case otherType
  /// The signature has a format that EDK2 cannot read.
  case shape
  /// The signed file would exceed the format's size limit.
  case size
  /// The certificate table is damaged, so that nothing can be added to it.
  case table
  /// The signature is not valid PKCS#7 or has content that is not Authenticode.
  case unreadable
}
