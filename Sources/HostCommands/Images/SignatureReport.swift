// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import Cryptography
package import Messages

/// A signature of an image, as reported.
package struct SignatureReport: Hashable, Sendable {
  /// The result of verifying the signature.
  package enum Verdict: String, Sendable {
    case valid = "valid"
    /// It was made for another image.
    case otherImage = "other-image"
    /// The signature itself is invalid.
    case broken = "broken"

    package var word: Message {
      switch self {
      case .valid: "valid"
      case .otherImage: "does not match the image"
      case .broken: "invalid"
      }
    }
  }

  package var verdict: Verdict
  /// Subject of the signer's certificate; nil if the signature does not include it.
  package var subject: String?
  package var issuer: String?
  /// SHA-256 of the certificate in hexadecimal.
  package var fingerprint: String?
  /// End of the certificate's validity, which firmware ignores.
  package var notAfter: String?
  /// Such as `RSA 2048`.
  package var keyAlgorithm: String?
  /// Such as `sha256`.
  package var digestAlgorithm: String
  /// Subject of the trust anchor that it chains to; nil if there is none.
  package var trustedBy: String?

  init(
    _ signature: AuthenticodeSignature, verdict: SignedImage.Verdict, trusting anchors: [Certificate] = []
  ) throws {
    self.verdict =
      switch verdict {
      case .valid: .valid
      case .otherImage: .otherImage
      case .broken: .broken
      }
    digestAlgorithm = signature.content.algorithm.rawValue
    if let signer = signature.message.signers.first {
      subject = signer.subject
      issuer = signer.issuer
      fingerprint = try signer.fingerprint().hexadecimal
      notAfter = signer.notAfter.map { CalendarDate(seconds: $0).description }
      keyAlgorithm = signer.algorithm.description
    }
    guard verdict == .valid else { return }
    trustedBy = try signature.message.anchor(among: anchors)?.subject
  }
}
