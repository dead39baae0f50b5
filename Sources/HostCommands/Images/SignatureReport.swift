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
    /// It cannot be read.
    case unreadable = "unreadable"
    /// The entry has a type that firmware and shim skip.
    case otherType = "other-type"

    package var word: Message {
      switch self {
      case .valid: "valid"
      case .otherImage: "does not match the image"
      case .broken: "invalid"
      case .unreadable: "unreadable"
      case .otherType: "of a type that firmware skips"
      }
    }

    init(_ verdict: ImageSignature.Verdict) {
      self =
        switch verdict {
        case .valid: .valid
        case .otherImage: .otherImage
        case .broken: .broken
        case .unreadable: .unreadable
        case .otherType: .otherType
        }
    }
  }

  package var verdict: Verdict
  /// Why the signature cannot be read, or why firmware ignores it, as a sentence or the rest of one.
  package var reason: Message?
  /// Subject of the signer's certificate; nil if the signature does not include it.
  package var subject: String?
  package var issuer: String?
  /// SHA-256 of the certificate in hexadecimal.
  package var fingerprint: String?
  /// End of the certificate's validity, which firmware ignores.
  package var notAfter: String?
  /// Such as `RSA 2048`.
  package var keyAlgorithm: String?
  /// Such as `sha256`; nil for an unreadable signature.
  package var digestAlgorithm: String?
  /// The time in the signature's time stamp, regardless of who made it.
  package var timestamp: String?
  /// Subject of the certificate that signed the time stamp.
  package var timestampSigner: String?
  /// Subject of the trust anchor that it chains to; nil if there is none.
  package var trustedBy: String?
  /// Further signatures inside this one, which firmware and shim ignore.
  package var nested: [SignatureReport] = []

  init(_ found: ImageSignature, trusting anchors: [Certificate] = []) throws {
    verdict = Verdict(found.verdict)
    if case .failure(let error) = found.reading { reason = error.message }
    guard let signature = found.signature else { return }
    reason = signature.firmwareObstacle
    digestAlgorithm = signature.content.algorithm.rawValue
    if let signer = signature.message.signers.first {
      subject = signer.subject
      issuer = signer.issuer
      fingerprint = try signer.fingerprint().hexadecimal
      notAfter = signer.notAfter.map { CalendarDate(seconds: $0).description }
      keyAlgorithm = signer.algorithm.description
    }
    if let token = signature.timestampToken, let time = try token.time(trusting: nil) {
      timestamp = CalendarDate(seconds: time).description
      timestampSigner = token.signers.first?.subject
    }
    guard verdict == .valid else { return }
    trustedBy = try signature.message.anchor(among: anchors)?.subject
  }
}
