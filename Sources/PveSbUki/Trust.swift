// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import Cryptography
internal import HostSystem
internal import SecureBoot

/// Whom to believe: certificates and image digests, allowed and forbidden.
struct Trust {
  var allowed: [Certificate]
  var forbidden: [Certificate] = []
  /// SHA-256 digests of to-be-signed parts; what came with a signature that has one is not believed.
  var forbiddenCertificateDigests: Set<[UInt8]> = []
  /// SHA-256 Authenticode digests.
  var allowedDigests: Set<[UInt8]> = []
  var forbiddenDigests: Set<[UInt8]> = []

  /// Only these certificates, the invoker's paths.
  init(certificates paths: [String], host: Host) throws {
    allowed = try paths.map { path in
      try describing(path) { try Certificate(parsing: try host.userFiles.readFile(path, limit: 1 << 20)) }
    }
  }

  /// Whether an image of that digest with these signatures would be started, and why, in the order EDK2 decides:
  /// what is forbidden comes first, then any signature that is trusted, then the digest itself.
  func judge(
    digest: [UInt8], _ signatures: [(signature: AuthenticodeSignature, verdict: SignedImage.Verdict)]
  ) throws -> (isAccepted: Bool, reason: String) {
    if forbiddenDigests.contains(digest) { return (false, "its digest is revoked (dbx)") }
    var reasons: [String] = []
    for (signature, verdict) in signatures {
      let name = signature.message.signers.first?.subject ?? "an unknown signer"
      switch verdict {
      case .broken: reasons.append("the signature of \(name) does not hold")
      case .otherImage: reasons.append("the image was changed after \(name) signed it")
      case .valid:
        if try isForbidden(signature) { return (false, "\(name) is revoked (dbx)") }
        if let anchor = try signature.message.anchor(among: allowed) {
          return (true, "signed by \(name), trusted by \(anchor.subject)")
        }
        reasons.append("\(name) is not trusted")
      }
    }
    if allowedDigests.contains(digest) { return (true, "its digest is allowed (db)") }
    return (false, signatures.isEmpty ? "it is not signed" : reasons.joined(separator: "; "))
  }

  private func isForbidden(_ signature: AuthenticodeSignature) throws -> Bool {
    if try signature.message.anchor(among: forbidden) != nil { return true }
    guard !forbiddenCertificateDigests.isEmpty else { return false }
    return try signature.message.certificates.contains {
      forbiddenCertificateDigests.contains(try $0.toBeSignedDigest())
    }
  }
}

extension Trust {
  /// What this machine's firmware and shim trust now.
  init(machine host: Host) throws {
    let database = try TrustDatabase(readingFrom: host)
    allowed = database.certificates
    forbidden = database.forbiddenCertificates
    forbiddenCertificateDigests = database.forbiddenCertificateDigests
    allowedDigests = database.allowedImageDigests
    forbiddenDigests = database.forbiddenImageDigests
  }
}
