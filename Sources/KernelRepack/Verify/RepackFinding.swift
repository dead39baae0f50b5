// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// One way in which a repacked package differs from its original, or is not what it says.
package struct RepackFinding: Hashable, Sendable {
  /// What differs; the raw value is for machines.
  package enum Kind: String, Hashable, Sendable, CaseIterable {
    /// How a member is compressed.
    case compression
    /// The members of the package.
    case member
    /// A file of the control archive.
    case controlFile = "control-file"
    case controlField = "control-field"
    case md5sums
    case fileAdded = "file-added"
    case fileRemoved = "file-removed"
    case fileRenamed = "file-renamed"
    case order
    /// Type, permissions, owner, time or link of a file.
    case metadata
    case content
    case imageSignature = "image-signature"
    case moduleSignature = "module-signature"
    case provenance
  }

  package var kind: Kind
  /// Whether repacking makes this difference; what is not expected is a problem.
  package var isExpected: Bool
  /// The path, field or member.
  package var subject: String
  /// The rest of a sentence about it.
  package var detail: Message
}
