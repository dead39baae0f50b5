// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// What one program decides about an image.
struct Decision: Sendable {
  /// What would have to change so that the image starts.
  enum Cause: Hashable, Sendable {
    case accepted
    /// No signature leads to a certificate that is trusted.
    case untrusted
    case unsigned
    /// A certificate in dbx or MokListX.
    case revokedCertificate
    /// The image's digest in dbx or MokListX.
    case revokedDigest
    /// Its SBAT generation, or missing SBAT data.
    case revocationLevel
    /// A damaged certificate table or signature.
    case damaged
    /// The image is not NX compatible.
    case memoryProtection
  }

  let cause: Cause
  /// A fragment about the image: `signed by CN = …`, `its digest is revoked (dbx)`.
  let reason: Message

  var isAccepted: Bool { cause == .accepted }

  static func accepted(_ reason: Message) -> Decision { Decision(cause: .accepted, reason: reason) }
}
