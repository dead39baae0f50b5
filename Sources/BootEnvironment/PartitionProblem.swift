// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// An EFI System Partition that was to be there and cannot be used.
package struct PartitionProblem: Hashable, Sendable, MessageConvertible {
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
  package var message: Message
  package var hint: Message?

  package init(name: String, kind: Kind, message: Message, hint: Message?) {
    self.name = name
    self.kind = kind
    self.message = message
    self.hint = hint
  }
}
