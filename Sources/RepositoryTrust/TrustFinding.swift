// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
package import Messages

/// What is known of where a package comes from.
package enum TrustFinding: Hashable, Sendable {
  /// Nobody was asked.
  case unchecked
  /// It has the digest that was given.
  case digest
  case release(Release)

  /// The repository that vouches for it.
  package struct Release: Hashable, Sendable {
    /// Path of the release file and of the index beside it that names the package.
    package var file: String
    package var index: String
    /// What the repository calls itself, if it does.
    package var origin: String?
    package var suite: String?
    /// When it was made and until when it holds, where it says so.
    package var date: CalendarDate?
    package var validUntil: CalendarDate?
    /// Fingerprints of the primary keys whose signatures hold, in hexadecimal capitals.
    package var signers: [String]
  }

  /// What the user should be told; nil if all is well.
  package var warning: Message? {
    guard self == .unchecked else { return nil }
    return "its origin was not checked; use --from-release with --keyring, or --sha256"
  }
}
