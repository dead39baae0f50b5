// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
package import Messages

/// How a package was verified.
package enum TrustFinding: Hashable, Sendable {
  /// The user asked for no check.
  case unchecked
  /// The package has the digest specified by the user.
  case digest
  case release(Release)

  /// The repository that lists the package.
  package struct Release: Hashable, Sendable {
    /// Path of the release file.
    package var file: String
    /// Path of the index next to it that lists the package.
    package var index: String
    /// `Origin` and `Suite` (or else `Codename`) of the release file, if present.
    package var origin: String?
    package var suite: String?
    /// Date of the release file and end of its validity, if present.
    package var date: CalendarDate?
    package var validUntil: CalendarDate?
    /// Fingerprints of the primary keys with a valid signature, in upper-case hexadecimal.
    package var signers: [String]
  }

  /// A warning for the user; nil if the origin was verified.
  package var warning: Message? {
    guard self == .unchecked else { return nil }
    return "its origin was not verified; use --from-release with --keyring, or --sha256"
  }
}

/// Why a package could not be verified: the file, the problem and what to do.
package typealias TrustError = RuleError<TrustRule>

package enum TrustRule: ErrorRule {
  /// A digest is malformed, or is not the package's.
  case digest
  /// The release file has no valid signature by a key of the keyring.
  case signature
  /// The release file is out of date, or malformed.
  case release
  /// The index is missing, or is not the one that the release file lists.
  case index
  /// The index does not list the package.
  case absent

  package var namesItsObject: Bool { true }
}
