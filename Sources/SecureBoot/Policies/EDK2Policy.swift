// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import Messages

/// How firmware based on EDK2 decides whether it starts an image (UEFI 2.10 section 32.5.3; DxeImageVerificationLib).
///
/// There are two orders. The released one walks through the signatures, and one revoked signature rejects the image. The
/// order of the code-first proposal (tianocore/edk2 issue 12107) looks at digests first, and one good signature is enough.
/// Firmware of both kinds will be in use.
struct EDK2Policy: Sendable {
  let database: TrustDatabase
  let generation: EDK2Generation

  func judge(_ image: ImageEvidence) throws -> Decision {
    guard image.isSigned else { return judgeUnsigned(image) }
    return try generation.looksAtDigestsFirst ? judgeDigestsFirst(image) : judgeInOrder(image)
  }

  private func judgeUnsigned(_ image: ImageEvidence) -> Decision {
    let digests = image.digests.filter { generation.digestsOfUnsigned.contains($0.key) }
    if digests.contains(where: { database.dbx.contains($0.value, $0.key) }) { return Self.revokedDigest }
    if digests.contains(where: { database.db.contains($0.value, $0.key) }) { return .accepted(Self.allowedDigest) }
    return Decision(cause: .unsigned, reason: "it is not signed")
  }

  /// The released order: signature by signature.
  private func judgeInOrder(_ image: ImageEvidence) throws -> Decision {
    var accepted: Message?
    var defects: [Message] = []
    for signature in image.entries {
      guard let algorithm = signature.firmwareAlgorithm else {
        defects.append(signature.defect(for: nil) ?? "the firmware skips the signature by \(signature.name)")
        continue
      }
      let digest = image.digests[algorithm]
      if let reason = try revocation(of: signature, digest) {
        return Decision(cause: .revokedCertificate, reason: reason)
      }
      if accepted == nil { accepted = try approval(of: signature, digest) }
      if database.dbx.contains(digest, algorithm) { return Self.revokedDigest }
      if accepted == nil, database.db.contains(digest, algorithm) { accepted = Self.allowedDigest }
      if accepted == nil { defects.append(defect(of: signature, digest)) }
    }
    guard image.tableEndsExactly else { return Self.damagedTable }
    if let accepted { return .accepted(accepted) }
    return Decision(cause: .untrusted, reason: defects.unique.joined(separator: "; "))
  }

  /// The proposed order: the digest in dbx rejects, the digest in db accepts, then one signature that is in db and not in
  /// dbx accepts.
  private func judgeDigestsFirst(_ image: ImageEvidence) throws -> Decision {
    if image.digests.contains(where: { database.dbx.contains($0.value, $0.key) }) { return Self.revokedDigest }
    if image.digests.contains(where: { database.db.contains($0.value, $0.key) }) {
      return .accepted(Self.allowedDigest)
    }
    guard image.tableEndsExactly else { return Self.damagedTable }
    for signature in image.entries {
      guard let algorithm = signature.firmwareAlgorithm else { continue }
      let digest = image.digests[algorithm]
      if try revocation(of: signature, digest) == nil, let reason = try approval(of: signature, digest) {
        return .accepted(reason)
      }
    }
    return Decision(cause: .untrusted, reason: "it has no signature that is trusted and not revoked")
  }

  /// Why dbx rejects the signature: a certificate in it vouches for the signature, or it has the digest of a signer's
  /// certificate, unless a time stamp shows that the signature is older than the revocation.
  ///
  /// As in EDK2, the digests of intermediate certificates do not matter.
  private func revocation(of signature: SignatureEvidence, _ digest: [UInt8]?) throws -> Message? {
    guard database.dbx.isPresent else { return nil }
    if isValid(signature, digest) {
      for anchor in database.dbx.anchors where try signature.descends(from: anchor.certificate) {
        return anchor.certificate == signature.signers.first
          ? "\(signature.name) is revoked (dbx)"
          : "\(signature.name) is revoked through \(anchor.certificate.displayName) (dbx)"
      }
    }
    // EDK2 rejects the image if it cannot compare the signers with an existing dbx.
    guard !signature.signers.isEmpty else { return "a signature lacks its signer's certificate" }
    for signer in signature.signers where try isRevoked(signer, signature) {
      return "\(signature.name) is revoked (dbx)"
    }
    return nil
  }

  /// Whether dbx has the digest of the certificate and no time stamp saves the signature.
  ///
  /// The first matching entry decides.
  private func isRevoked(_ certificate: Certificate, _ signature: SignatureEvidence) throws -> Bool {
    guard let entry = try database.dbx.revokedCertificates.first(where: { try $0.matches(certificate) }) else {
      return false
    }
    guard let time = entry.time else { return true }
    return try !signature.isStamped(noLaterThan: time, by: database.dbt.certificates)
  }

  /// Why db accepts the signature.
  ///
  /// The first certificate in db that vouches for it decides, even if another would not be revoked.
  private func approval(of signature: SignatureEvidence, _ digest: [UInt8]?) throws -> Message? {
    guard isValid(signature, digest),
      let anchor = try database.db.certificates.first(where: { try signature.descends(from: $0) }),
      try !isRevoked(anchor, signature)
    else { return nil }
    return Self.approval(of: signature, through: anchor)
  }

  static func approval(of signature: SignatureEvidence, through anchor: Certificate) -> Message {
    "signed by \(signature.name), trusted through \(anchor.displayName)"
  }

  private static let revokedDigest = Decision(cause: .revokedDigest, reason: "its digest is revoked (dbx)")
  private static let damagedTable = Decision(
    cause: .damaged, reason: "its certificate table does not end where the headers say")
  private static let allowedDigest: Message = "its digest is allowed (db)"

  private func isValid(_ signature: SignatureEvidence, _ digest: [UInt8]?) -> Bool {
    signature.isValid(for: digest) && (generation.verifiesEllipticCurves || signature.isRSA)
  }

  private func defect(of signature: SignatureEvidence, _ digest: [UInt8]?) -> Message {
    if let defect = signature.defect(for: digest) { return defect }
    return isValid(signature, digest)
      ? "\(signature.name) is not trusted" : "the signature by \(signature.name) \(SignatureEvidence.ellipticCurve)"
  }
}
