// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// Why the origin of a package could not be established: what is not as it should be, and what to do.
package typealias TrustError = RuleError<TrustRule>

package enum TrustRule: ErrorRule {
  /// A digest is none, or not the package's.
  case digest
  /// No signature of the release file by a key of the keyring holds.
  case signature
  /// The release file is out of date, or says nothing that can be used.
  case release
  /// The index is missing, or not the one that the release file names.
  case index
  /// The index has no such package.
  case absent

  package var namesItsObject: Bool { true }
}
