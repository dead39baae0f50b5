// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Authenticode
package import Cryptography
package import HostSystem
package import Messages

/// Whom to believe: certificates and image digests, allowed and forbidden.
package struct TrustAnchors: Sendable {
  package var allowed: [Certificate]
  var forbidden: [Certificate] = []
  /// SHA-256 digests of to-be-signed parts; what came with a signature that has one is not believed.
  var forbiddenCertificateDigests: Set<[UInt8]> = []
  /// SHA-256 Authenticode digests.
  var allowedDigests: Set<[UInt8]> = []
  var forbiddenDigests: Set<[UInt8]> = []

  /// Only these certificates, the invoker's paths.
  package init(certificates paths: [String], host: Host) throws {
    allowed = try paths.map { path in
      try describing(path) { try Certificate(parsing: try host.userFiles.readFile(path, limit: 1 << 20)) }
    }
  }

  /// Whether an image of that digest with these signatures would be started, and why, as EDK2 decides: one revoked
  /// signature forbids the image whatever else it carries, then any trusted one allows it, then the digest itself.
  package func judge(
    digest: [UInt8], _ signatures: [(signature: AuthenticodeSignature, verdict: SignedImage.Verdict)]
  ) throws -> (isAccepted: Bool, reason: Message) {
    if forbiddenDigests.contains(digest) { return (false, "its digest is revoked (dbx)") }
    for (signature, _) in signatures where try isForbidden(signature) {
      return (false, "\(Self.name(signature)) is revoked (dbx)")
    }
    var reasons: [Message] = []
    for (signature, verdict) in signatures {
      let name = Self.name(signature)
      switch verdict {
      case .broken: reasons.append("the signature of \(name) does not hold")
      case .otherImage: reasons.append("the image was changed after \(name) signed it")
      case .valid:
        if let obstacle = signature.firmwareObstacle {
          reasons.append("the signature of \(name) \(obstacle)")
        } else if let anchor = try signature.message.anchor(among: allowed) {
          return (true, "signed by \(name), trusted by \(anchor.subject)")
        } else {
          reasons.append("\(name) is not trusted")
        }
      }
    }
    if allowedDigests.contains(digest) { return (true, "its digest is allowed (db)") }
    return (false, signatures.isEmpty ? "it is not signed" : reasons.joined(separator: "; "))
  }

  private static func name(_ signature: AuthenticodeSignature) -> Message {
    signature.message.signers.first.map { Message(verbatim: $0.subject) } ?? "an unknown signer"
  }

  private func isForbidden(_ signature: AuthenticodeSignature) throws -> Bool {
    if try signature.message.hasSigner(from: forbidden) { return true }
    guard !forbiddenCertificateDigests.isEmpty else { return false }
    return try signature.message.certificates.contains {
      forbiddenCertificateDigests.contains(try $0.toBeSignedDigest())
    }
  }
}

extension TrustAnchors {
  /// What this machine's firmware and shim trust now.
  package init(machine host: Host) throws {
    let database = try TrustDatabase(readingFrom: host)
    guard database.secureBootEnabled != nil else {
      throw Failure(
        "this system shows no Secure Boot variables to hold images against",
        hint: "name certificates to trust with --cert")
    }
    allowed = database.certificates
    forbidden = database.forbiddenCertificates
    forbiddenCertificateDigests = database.forbiddenCertificateDigests
    allowedDigests = database.allowedImageDigests
    forbiddenDigests = database.forbiddenImageDigests
  }

  /// What the firmware trusts; nil where it enforces nothing.
  package init?(enforcedBy host: Host) throws {
    guard try TrustDatabase(readingFrom: host).isEnforced else { return nil }
    try self.init(machine: host)
  }

  /// Whether an EFI program would be started.
  ///
  /// What cannot be read would not.
  package func accepts(_ program: File) -> Bool {
    let verdict = try? { () throws -> Bool in
      let image = try SignedImage(parsing: program)
      return try judge(
        digest: ImageDigest.compute(of: program, header: image.header), image.signatures(in: program)
      ).isAccepted
    }()
    return verdict ?? false
  }
}
