// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import Messages
internal import PortableExecutable

/// How shim decides whether it starts an image (shim 15.8 and 16.1, `verify_buffer`).
///
/// It knows SHA-1 and SHA-256 digests of images, and only SHA-256 in signatures. Of each signature list it looks at the
/// first certificate only. A revoked signature does not spoil a good one. Then the SBAT data has to pass.
struct ShimPolicy: Sendable {
  let database: TrustDatabase
  /// The shim that runs; its own lists are unknown if nil.
  let shim: ShimProgram?

  /// Judges an image that shim starts, or that a boot loader hands to shim, which then does not need SBAT data.
  func judge(_ image: ImageEvidence, forLoader: Bool = false) throws -> Decision {
    if database.isShimValidationDisabled { return .accepted("shim's validation is disabled") }
    if requiresNX, !image.isNXCompatible {
      return Decision(cause: .memoryProtection, reason: "it is not NX compatible, which shim requires here")
    }
    let decision = try judgeSignatures(image)
    if forLoader, image.revocationData == .section(.missing) { return decision }
    guard decision.isAccepted, let reason = image.revocationData.refusal(at: level) else { return decision }
    return Decision(cause: .revocationLevel, reason: reason)
  }

  private var requiresNX: Bool {
    database.shimRequiresNX || shim?.isNXCompatible == true && database.memoryProtection.isEnforced
  }

  /// The revocation level that applies at the next boot.
  private var level: RevocationLevel { RevocationLevel.next(database, shim: shim) }

  private func judgeSignatures(_ image: ImageEvidence) throws -> Decision {
    let sha256 = image.shimDigests[.sha256]
    if let list = denyLists.first(where: { names(image, in: $0) }) {
      return Decision(cause: .revokedDigest, reason: "its digest is revoked (\(list.name))")
    }
    if let list = allowLists.first(where: { names(image, in: $0) }) {
      return .accepted("its digest is allowed (\(list.name))")
    }
    guard image.isSigned else { return Decision(cause: .unsigned, reason: "it is not signed") }
    guard image.isTableReadableByShim else {
      return Decision(cause: .damaged, reason: "shim cannot read its certificate table")
    }
    var refusal: Decision?
    var defects: [Message] = []
    for signature in image.entries {
      guard signature.isPlain, signature.isRSA, signature.isValid(for: sha256) else {
        defects.append(defect(of: signature, sha256))
        continue
      }
      if let (list, _) = try anchor(of: signature, in: denyLists) {
        refusal = Decision(cause: .revokedCertificate, reason: "\(signature.name) is revoked (\(list.name))")
      } else if let (list, anchor) = try anchor(of: signature, in: allowLists) {
        return .accepted("\(EDK2Policy.approval(of: signature, through: anchor)) (\(list.name))")
      } else {
        defects.append("\(signature.name) is not trusted")
      }
    }
    return refusal ?? Decision(cause: .untrusted, reason: defects.unique.joined(separator: "; "))
  }

  private func defect(of signature: SignatureEvidence, _ sha256: [UInt8]?) -> Message {
    if !signature.isRSA {
      return "the signature by \(signature.name) was made with a key that is not RSA, which shim requires"
    }
    if signature.isPlain, let algorithm = signature.firmwareAlgorithm, algorithm != .sha256 {
      return "the signature by \(signature.name) is not SHA-256, which shim requires"
    }
    return signature.defect(for: sha256) ?? "shim ignores the signature by \(signature.name)"
  }

  /// Whether the list has the image's digest; shim looks for SHA-1 only in the firmware's lists and its own dbx.
  private func names(_ image: ImageEvidence, in list: TrustList) -> Bool {
    let knowsSHA1 = [database.db.name, database.dbx.name, shim?.denied.name].contains(list.name)
    return list.containsPrefix(image.shimDigests[.sha256], .sha256)
      || knowsSHA1 && list.containsPrefix(image.shimDigests[.sha1], .sha1)
  }

  /// In the order in which shim searches them.
  private var denyLists: [TrustList] { [shim?.denied, database.dbx, database.mokListX].compactMap { $0 } }
  private var allowLists: [TrustList] {
    let own = [shim?.allowed, database.mokList, shim?.vendor, shim?.added].compactMap { $0 }
    return database.shimIgnoresDB ? own : [database.db] + own
  }

  private func anchor(
    of signature: SignatureEvidence, in lists: [TrustList]
  ) throws -> (list: TrustList, anchor: Certificate)? {
    for list in lists {
      for anchor in list.anchors where anchor.isFirst && anchor.isUsedByShim {
        if try signature.descends(from: anchor.certificate) { return (list, anchor.certificate) }
      }
    }
    return nil
  }
}

extension [Message] {
  /// Without repetitions.
  var unique: [Message] {
    var seen: Set<Message> = []
    return filter { seen.insert($0).inserted }
  }
}
