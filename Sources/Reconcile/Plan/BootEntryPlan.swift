// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import BootEnvironment
package import EFIData
package import Messages

/// The changes to the firmware's boot entries; `BootEntryExecutor` executes them.
///
/// **Ownership.** An entry is ours if its device path leads to a file with one of pve-sb-uki's names on one of the
/// host's ESPs, whatever its label. If the partition does not exist, the entry is a leftover of a replaced disk,
/// provided that all configured ESPs are present and the label is also ours. All other entries are foreign: they are
/// neither changed nor removed, and keep their relative order. That includes the entries of another installation on
/// this machine, which look like ours.
///
/// **Order of steps.** Entries are created and updated first, then the boot order is set, then entries are removed. So
/// the order never contains an entry of ours that does not exist yet, and no entry is removed while it is in the order.
/// If the run is killed between two steps, the order leads to everything it led to before, or to everything it should
/// lead to. The firmware changes each variable completely or not at all.
///
/// Two kinds of removal are held back. Nothing is removed if the order would then lead to nothing, because there is no
/// target or an entry could not be created. If this machine was booted from one of our entries, that entry is known to
/// work: it stays after the targets until the machine has booted another way.
///
/// A number that has no entry but occurs in BootNext, BootCurrent or BootOrder is not used for a new entry: the
/// firmware would boot that entry too early.
package struct BootEntryPlan: Hashable, Sendable {
  package enum Step: Hashable, Sendable {
    case create(UInt16, LoadOption)
    case update(UInt16, LoadOption)
    case remove(UInt16)
    case order([UInt16])
    /// Nil deletes BootNext.
    case next(UInt16?)
  }

  /// A target that cannot have an entry.
  package struct Rejection: Hashable, Sendable {
    package var target: BootTarget
    package var reason: Message
  }

  package internal(set) var steps: [Step] = []
  package internal(set) var rejections: [Rejection] = []
  /// The variables from which the plan was made.
  let present: BootVariables

  package var isEmpty: Bool { steps.isEmpty }

  /// BootNext after the steps.
  var next: UInt16? {
    steps.reduce(present.next) { next, step in if case .next(let number) = step { number } else { next } }
  }

  /// Whether the plan only removes entries that lead nowhere or to unwanted UKIs; the firmware skips those or tries
  /// them last.
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

  /// Creates a plan with these steps.
  package init(steps: [Step], present: BootVariables) {
    self.steps = steps
    self.present = present
  }

  /// Whether an entry is ours: it leads to a file with one of pve-sb-uki's names on one of `partitions`.
  package static func isOurs(_ entry: BootVariables.Entry, on partitions: [PartitionLocation]) -> Bool {
    guard let file = entry.option?.file, file.isInOurNameSpace else { return false }
    return partitions.contains { $0.isSamePartition(as: file.partition) }
  }

  /// Plans one active entry for each of `targets`, and no other entry of ours.
  ///
  /// An existing entry that leads to a target is reused; its label, partition and data are updated if they differ.
  ///
  /// - Parameters:
  ///   - targets: in order of preference; their paths must be pve-sb-uki's.
  ///   - arePreferred: whether they come before all foreign entries. Otherwise they come after them, or keep their
  ///     place, with new ones last, if the machine was booted from one of ours.
  ///   - next: the target to boot once, before all others; nil leaves BootNext unchanged.
  ///   - armed: a number that BootNext no longer should have if `next` is nil; nil for none.
  ///   - ownPartitions: all ESPs that are present.
  ///   - isComplete: whether all configured ESPs are present.
  ///   - foreignPartitions: all other partitions that are present.
  ///   - unknownFiles: files with pve-sb-uki's names that are not targets but may be bootable; their entries are kept.
  ///   - present: the current entries.
  /// - Returns: the steps from the current to the wanted entries.
  package static func make(
    targets: [BootTarget], arePreferred: Bool, next: BootTarget?, clearing armed: UInt16? = nil,
    ownPartitions: [PartitionLocation], isComplete: Bool,
    foreignPartitions: Set<GUID> = [], unknownFiles: [DevicePath.File] = [], present: BootVariables
  ) -> BootEntryPlan {
    var planner = BootEntryPlanner(
      present: present, partitions: ownPartitions + targets.map(\.partition), unknownFiles: unknownFiles
    ) { isComplete && !foreignPartitions.contains($0) }
    for target in targets { planner.add(target) }
    return planner.plan(arePreferred: arePreferred, next: next, clearing: armed)
  }
}

extension BootEntryPlan.Step: MessageConvertible {
  /// In the imperative: `create Boot0003 (Proxmox VE 6.8.12-9-pve)`.
  package var message: Message {
    switch self {
    case .create(let number, let option): "create \(Self.name(number)) (\(option.description))"
    case .update(let number, let option): "update \(Self.name(number)) (\(option.description))"
    case .remove(let number): "remove \(Self.name(number))"
    case .order(let numbers):
      "set the boot order to \(numbers.map { EFIVariableName.bootOptionDigits($0) }.joined(separator: ", "))"
    case .next(let number?): "boot \(Self.name(number)) next"
    case .next(nil): "clear BootNext"
    }
  }

  private static func name(_ number: UInt16) -> String { EFIVariableName.bootOption(number).name }
}
