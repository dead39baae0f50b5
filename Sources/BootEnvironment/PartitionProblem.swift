// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// An EFI System Partition that was to be there and cannot be used.
package struct PartitionProblem: Hashable, Sendable {
  package enum Kind: Sendable {
    /// There is no such device.
    case missing
    /// Its file system must be repaired first.
    case damaged
    /// It cannot be told what it is.
    case unreadable
  }

  /// As `EFISystemPartition.name`, or the file whose line names none.
  package var name: String
  package var kind: Kind
  /// A sentence that names it.
  package var description: String
  package var hint: String?

  package init(name: String, kind: Kind, description: String, hint: String?) {
    self.name = name
    self.kind = kind
    self.description = description
    self.hint = hint
  }
}
