// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
package import Messages

/// Who vouches for a package.
package enum TrustFinding: Hashable, Sendable {
  /// The user asked for no check.
  case unchecked
  /// The package has the digest that the user gave.
  case digest
  case release(Release)

  /// The repository that vouches for the package.
  package struct Release: Hashable, Sendable {
    /// Path of the release file.
    package var file: String
    /// Path of the index beside it that lists the package.
    package var index: String
    /// `Origin` and `Suite` (or else `Codename`) of the release file, where it has them.
    package var origin: String?
    package var suite: String?
    /// When the release file was made and until when it is valid, where it says so.
    package var date: CalendarDate?
    package var validUntil: CalendarDate?
    /// Fingerprints of the primary keys with a valid signature, in upper-case hexadecimal.
    package var signers: [String]
  }

  /// What to tell the user; nil if the origin was checked.
  package var warning: Message? {
    guard self == .unchecked else { return nil }
    return "its origin was not checked; use --from-release with --keyring, or --sha256"
  }
}

/// Why nobody vouches for a package: what is wrong with which file, and what to do.
package typealias TrustError = RuleError<TrustRule>

package enum TrustRule: ErrorRule {
  /// A digest is malformed, or is not the package's.
  case digest
  /// The release file has no valid signature by a key of the keyring.
  case signature
  /// The release file is out of date, or cannot be understood.
  case release
  /// The index is missing, or is not the one that the release file lists.
  case index
  /// The index does not list the package.
  case absent

  package var namesItsObject: Bool { true }
}
