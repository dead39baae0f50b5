// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Authenticode
package import Cryptography
package import HostSystem
package import Messages

/// Trusted and revoked certificates and image digests.
package struct TrustAnchors: Sendable {
  package var allowed: [Certificate]
  var forbidden: [Certificate] = []
  /// SHA-256 digests of to-be-signed parts; a signature that includes such a certificate is not trusted.
  var forbiddenCertificateDigests: Set<[UInt8]> = []
  /// SHA-256 Authenticode digests.
  var allowedDigests: Set<[UInt8]> = []
  var forbiddenDigests: Set<[UInt8]> = []

  /// Trusts only the certificates in these files of the user, all of them.
  package init(certificates paths: [String], host: Host) throws {
    allowed = try paths.flatMap { path in
      try describing(path) {
        try CertificateFile(parsing: try host.userFiles.readFile(path, limit: 1 << 20)).certificates
      }
    }
  }

  /// Whether an image with this digest and these signatures is started, and why.
  ///
  /// Decides as EDK2 does: any revoked signature forbids the image. Otherwise a trusted signature or the digest itself
  /// allows it.
  package func judge(
    digest: [UInt8], _ signatures: [ImageSignature]
  ) throws -> (isAccepted: Bool, reason: Message) {
    if forbiddenDigests.contains(digest) { return (false, "its digest is revoked (dbx)") }
    for signature in signatures.compactMap(\.signature) where try isForbidden(signature) {
      return (false, "\(Self.name(signature)) is revoked (dbx)")
    }
    var reasons: [Message] = []
    for found in signatures {
      guard let signature = found.signature else {
        if case .unreadable(let reason) = found.verdict { reasons.append("a signature is unreadable: \(reason)") }
        continue
      }
      let name = Self.name(signature)
      switch found.verdict {
      case .unreadable, .otherType: continue
      case .broken: reasons.append("the signature by \(name) is invalid")
      case .otherImage: reasons.append("the image was modified after \(name) signed it")
      case .valid:
        if let obstacle = signature.firmwareObstacle {
          reasons.append("the signature by \(name) \(obstacle)")
        } else if let anchor = try signature.message.anchor(among: allowed) {
          return (true, "signed by \(name), trusted through \(anchor.subject)")
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
  /// The current trust of this machine's firmware and shim.
  package init(machine host: Host) throws {
    let database = try TrustDatabase(readingFrom: host)
    guard database.secureBootEnabled != nil else {
      throw Failure(
        "this system has no Secure Boot variables to check images against",
        hint: "specify trusted certificates with --cert")
    }
    allowed = database.certificates
    forbidden = database.forbiddenCertificates
    forbiddenCertificateDigests = database.forbiddenCertificateDigests
    allowedDigests = database.allowedImageDigests
    forbiddenDigests = database.forbiddenImageDigests
  }

  /// The current trust of this machine; nil if the firmware does not enforce signatures.
  package init?(enforcedBy host: Host) throws {
    guard try TrustDatabase(readingFrom: host).isEnforced else { return nil }
    try self.init(machine: host)
  }

  /// Whether an EFI program is started; false if it cannot be read.
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
