// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import Cryptography
package import HostSystem
package import Messages
internal import SecureBoot

/// `pve-sb-uki verify`: checks whether an image has a trusted signature.
package struct VerifyImage: Sendable {
  package var path: String
  /// Paths of certificates to trust; empty for what firmware and shim of this machine trust.
  package var certificates: [String]

  package init(path: String, certificates: [String]) {
    self.path = path
    self.certificates = certificates
  }

  package struct Report: Sendable {
    package var path: String
    package var isAccepted: Bool
    /// Why it is accepted or not, as a sentence.
    package var reason: Message
    package var signatures: [SignatureReport]
  }

  /// Verifies the image.
  ///
  /// An invalid or untrusted signature is a result, not an error. Throws `Failure` if the file cannot be read or is
  /// malformed, a certificate cannot be loaded, or there is no trust anchor.
  package func run(on host: Host) throws -> Report {
    let anchors =
      try certificates.isEmpty
      ? TrustAnchors(machine: host) : TrustAnchors(certificates: certificates, host: host)
    return try describing(path) {
      let source = try host.userFiles.openFile(path)
      let image = try SignedImage(parsing: source)
      let signatures = try image.signatures(in: source)
      let digest = try image.digest(.sha256, of: source)
      let (isAccepted, reason) = try anchors.judge(digest: digest, signatures)
      return Report(
        path: path, isAccepted: isAccepted, reason: reason,
        signatures: try signatures.map { try SignatureReport($0, trusting: anchors.allowed) })
    }
  }
}
