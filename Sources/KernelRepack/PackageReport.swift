// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages
package import RepositoryTrust

/// What became of one package.
package struct PackageReport: Sendable {
  /// A package file.
  package struct Side: Hashable, Sendable {
    package let path: String
    package let package: String
    package let version: String
    /// Bytes.
    package let size: Int
    package let sha256: [UInt8]
  }

  /// How the data archive got its edits.
  package enum Packing: String, Sendable {
    /// Blocks without a changed byte were copied, the others kept their symbols.
    case transcoded
    /// As above, but blocks with changes were compressed anew.
    case blocks
    /// All of it was compressed anew.
    case whole
  }

  package let input: Side
  package let output: Side
  package let architecture: String
  package let trust: TrustFinding
  /// Subject of the certificate that signed.
  package let signer: String
  /// SHA-256 of that certificate; nil if signatures were attached that somebody else made.
  package let certificateFingerprint: [UInt8]?
  package let changes: [FileChange]
  /// The file that was added to say where the package comes from.
  package let provenancePath: String?
  package let packing: Packing
  /// What the user should be told.
  package let notes: [Message]
}
