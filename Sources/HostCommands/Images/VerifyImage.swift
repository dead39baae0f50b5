// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import Cryptography
package import HostSystem
package import Messages
internal import SecureBoot

/// `pve-sb-uki verify`: whether an image carries a signature that is trusted.
package struct VerifyImage: Sendable {
  package var path: String
  /// Certificates to trust, the invoker's paths; empty to take what this machine's firmware and shim trust.
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

  /// Reads and judges the image.
  ///
  /// A signature that does not hold or is not trusted is a result; `Failure` is thrown only when nothing can be said:
  /// the file cannot be read or is malformed, a certificate cannot be loaded, or there is nothing to trust.
  package func run(on host: Host) throws -> Report {
    let anchors =
      try certificates.isEmpty
      ? TrustAnchors(machine: host) : TrustAnchors(certificates: certificates, host: host)
    return try describing(path) {
      let source = try host.userFiles.openFile(path)
      let image = try SignedImage(parsing: source)
      let signatures = try image.signatures(in: source)
      let digest = try ImageDigest.compute(of: source, header: image.header)
      let (isAccepted, reason) = try anchors.judge(digest: digest, signatures)
      return Report(
        path: path, isAccepted: isAccepted, reason: reason,
        signatures: try signatures.map { try SignatureReport($0, verdict: $1, trusting: anchors.allowed) })
    }
  }
}
