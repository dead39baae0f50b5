// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import BootEnvironment
package import EFIData
package import Messages

/// What is to be changed among the firmware's boot entries, as a value; `BootEntryExecutor` does it.
///
/// **Whose an entry is.** Ours is an entry whose device path leads to a file of our name space on one of our
/// partitions, whatever its label. One that leads to our name space on a partition that is not there is the leftover of
/// a replaced disk if all partitions are known to be there and its label is one of ours too. All others are foreign:
/// they are neither changed nor removed, and keep their order among themselves; so are those of another installation
/// on this machine, which look like ours.
///
/// **Order of steps.** Entries are made and corrected first, then the order is set, then entries are removed. So the
/// order never names something of ours that is not there yet, nothing is removed that it still names, and a kill
/// between two steps leaves an order that reaches all that it did before, or all that it shall. Each variable is
/// changed by one call, which the firmware does whole or not at all. Two things are held back for that. Nothing is
/// removed if the order would then reach nothing, be it because there is no target or because an entry could not be
/// made. And an entry of ours that this machine was booted from, the one way to boot that is known to work, stays
/// behind the targets until the machine has booted another way. A number that BootNext, BootCurrent or BootOrder names
/// without there being an entry is given to no new one, which would otherwise be booted before its turn.
package struct BootEntryPlan: Hashable, Sendable {
  package enum Step: Hashable, Sendable {
    case create(UInt16, LoadOption)
    case update(UInt16, LoadOption)
    case remove(UInt16)
    case order([UInt16])
    /// Nil forgets BootNext.
    case next(UInt16?)
  }

  /// A target that gets no entry.
  package struct Rejection: Hashable, Sendable {
    package var target: BootTarget
    /// As a sentence.
    package var reason: Message
  }

  package internal(set) var steps: [Step] = []
  package internal(set) var rejections: [Rejection] = []
  /// What the plan was made from.
  let present: BootVariables

  package var isEmpty: Bool { steps.isEmpty }

  /// Whether nothing is done but to remove entries that lead nowhere or to what is not wanted, which the firmware passes
  /// over or comes to last.
  package var onlyRemoves: Bool {
    let removed = Set(steps.compactMap { if case .remove(let number) = $0 { number } else { nil } })
    return !removed.isEmpty
      && steps.allSatisfy { step in
        switch step {
        case .remove: true
        case .order(let numbers): numbers == present.order.filter { !removed.contains($0) }
        default: false
        }
      }
  }

  /// A plan of these steps.
  package init(steps: [Step], present: BootVariables) {
    self.steps = steps
    self.present = present
  }

  /// Whether an entry is ours: it leads to a file of our name space on one of `partitions`.
  package static func isOurs(_ entry: BootVariables.Entry, on partitions: [PartitionLocation]) -> Bool {
    guard let file = entry.option?.file, file.isInOurNameSpace else { return false }
    return partitions.contains { $0.guid == file.partition.guid }
  }

  /// Plans one active entry for each of `targets`, and no other of ours.
  ///
  /// An entry that leads to a target already is taken over: its label, partition and data are corrected where they
  /// differ.
  ///
  /// - Parameters:
  ///   - targets: in order of preference. They must be in our name space.
  ///   - arePreferred: whether they go before all foreign entries, else behind them, or where the machine was booted
  ///     from one of ours behind all that there is.
  ///   - next: which of the targets is to be booted once, before all others; nil leaves BootNext as it is.
  ///   - ownPartitions: all ESPs that are there.
  ///   - isComplete: whether no configured partition is missing.
  ///   - foreignPartitions: all others that are there.
  ///   - unknownFiles: files of our name space that are no targets but may be what boots; they keep what they have.
  ///   - present: the entries as they are.
  /// - Returns: the steps from what is present to what is wanted.
  package static func make(
    targets: [BootTarget], arePreferred: Bool, next: BootTarget?, ownPartitions: [PartitionLocation], isComplete: Bool,
    foreignPartitions: Set<GUID> = [], unknownFiles: [DevicePath.File] = [], present: BootVariables
  ) -> BootEntryPlan {
    var planner = BootEntryPlanner(
      present: present, partitions: ownPartitions + targets.map(\.partition), unknownFiles: unknownFiles
    ) { isComplete && !foreignPartitions.contains($0) }
    for target in targets { planner.add(target) }
    return planner.plan(arePreferred: arePreferred, next: next)
  }
}

extension BootEntryPlan.Step: MessageConvertible {
  /// In the imperative: `create Boot0003 (Proxmox VE 6.8.12-9-pve)`.
  package var message: Message {
    switch self {
    case .create(let number, let option): "create \(Self.name(number)) (\(option.description))"
    case .update(let number, let option): "correct \(Self.name(number)) (\(option.description))"
    case .remove(let number): "remove \(Self.name(number))"
    case .order(let numbers):
      "set the boot order to \(numbers.map { EFIVariableName.bootOptionDigits($0) }.joined(separator: ", "))"
    case .next(let number?): "boot \(Self.name(number)) next"
    case .next(nil): "forget what to boot next"
    }
  }

  private static func name(_ number: UInt16) -> String { EFIVariableName.bootOption(number).name }
}
