// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// An EFI System Partition that was to be there and cannot be used.
package struct PartitionProblem: Hashable, HintedError {
  package enum Kind: Sendable {
    /// There is no such device.
    case missing
    /// Its file system must be repaired first.
    case damaged
    /// It was not unmounted, and there is nothing to check it with.
    case unchecked
    /// It cannot be told what it is.
    case unreadable
  }

  /// As `EFISystemPartition.name`, or the file whose line names none.
  package var name: String
  package var kind: Kind
  /// A sentence that names it.
  package var message: Message
  package var hint: Message?
  /// The command that repairs it; nil if none can.
  package var repair: String?

  package init(name: String, kind: Kind, message: Message, hint: Message?, repair: String? = nil) {
    self.repair = repair
    self.name = name
    self.kind = kind
    self.message = message
    self.hint = hint
  }
}
