// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import EFIData
package import HostSystem
package import Messages
package import SigningKeys

/// Everything that an enrolment will do, and why it must not be done.
package struct EnrolmentPlan: Sendable {
  /// One variable to write.
  package struct Step: Hashable, Sendable {
    package var variable: EFIVariableName
    package var attributes: EFIVariableAttributes
    /// The content of its file before; nil if it does not exist.
    package var old: [UInt8]?
    /// Its new data, or with `appendWrite` what is added.
    package var payload: [UInt8]
    /// The key that signs the update.
    package var authority: KeyRole
    /// What the variable then contains.
    package var entries: [ListEntry]
  }

  /// A variable and what it will contain; also one that is not written.
  package struct List: Sendable {
    package var variable: EFIVariableName
    package var isWritten: Bool
    package var entries: [ListEntry]
  }

  /// What happens to a boot path.
  package struct PathChange: Hashable, Sendable {
    /// The path and its programs in one line.
    package var path: Message
    /// Whether it starts a program afterwards.
    package var starts: Bool
    /// Why not; empty if it does.
    package var reason: Message?
  }

  /// In the order of writing.
  package var steps: [Step] = []
  package var lists: [List] = []
  /// Boot paths that start now.
  package var paths: [PathChange] = []
  /// Disks that a TPM unlocks.
  package var disks: [UnlockedDisk] = []
  /// The room in the firmware's store; nil if it is unknown.
  package var room: EFIVariableStore.Room?
  /// Bytes of that store that are needed.
  package var neededRoom = 0
  /// What needs the administrator's attention, one sentence each.
  package var notes: [Message] = []
  /// Why nothing may be written; empty if nothing prevents it.
  package var refusals: [Refusal] = []
  /// The time of the updates in seconds since 1970: later than that of any update before.
  package var time: Int64
  package var isAppend: Bool

  /// Whether there is anything to write.
  package var isChange: Bool { !steps.isEmpty }

  package init(time: Int64, isAppend: Bool) {
    self.time = time
    self.isAppend = isAppend
  }
}
