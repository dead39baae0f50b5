// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import BootEnvironment
package import EFIData
package import Messages

/// The changes to the firmware's boot entries; `BootEntryExecutor` executes them.
///
/// **Owner of an entry.** An entry is ours if its device path leads to a file with a name of ours on one of our ESPs,
/// whatever its label. An entry that leads to such a file on a partition that does not exist is the leftover of a
/// replaced disk, if all configured ESPs are present and its label is ours too. All other entries are foreign. They are
/// neither changed nor removed and keep their relative order. This includes entries of another installation on this
/// machine, which look like ours.
///
/// **Order of steps.** Entries are created and updated first, then the boot order is set, then entries are removed. So
/// the order never names an entry of ours that does not exist yet, and no entry is removed while the order names it. If
/// the run is killed between two steps, the order reaches all that it reached before, or all that it should reach. The
/// firmware changes each variable completely or not at all.
///
/// Two removals are held back. Nothing is removed if the order would then reach nothing, because there is no target or
/// because an entry could not be created. An entry of ours that this machine was booted from is known to work: it stays
/// behind the targets until the machine has booted another way.
///
/// A number without an entry that BootNext, BootCurrent or BootOrder names is not used for a new entry. The firmware
/// would boot that entry before its turn.
package struct BootEntryPlan: Hashable, Sendable {
  package enum Step: Hashable, Sendable {
    case create(UInt16, LoadOption)
    case update(UInt16, LoadOption)
    case remove(UInt16)
    case order([UInt16])
    /// Nil deletes BootNext.
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
  /// The variables that the plan was made from.
  let present: BootVariables

  package var isEmpty: Bool { steps.isEmpty }

  /// Whether the plan only removes entries that lead nowhere or to unwanted images; the firmware skips those or tries
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

  /// A plan of these steps.
  package init(steps: [Step], present: BootVariables) {
    self.steps = steps
    self.present = present
  }

  /// Whether an entry is ours: it leads to a file with a name of ours on one of `partitions`.
  package static func isOurs(_ entry: BootVariables.Entry, on partitions: [PartitionLocation]) -> Bool {
    guard let file = entry.option?.file, file.isInOurNameSpace else { return false }
    return partitions.contains { $0.guid == file.partition.guid }
  }

  /// Plans one active entry for each of `targets`, and no other entry of ours.
  ///
  /// An existing entry that leads to a target is reused: its label, partition and data are corrected if they differ.
  ///
  /// - Parameters:
  ///   - targets: in order of preference. Their paths must be ours.
  ///   - arePreferred: whether they come before all foreign entries. Otherwise they come behind them, or behind all
  ///     entries if the machine was booted from one of ours.
  ///   - next: the target to boot once, before all others; nil leaves BootNext as it is.
  ///   - ownPartitions: all ESPs that are present.
  ///   - isComplete: whether no configured ESP is missing.
  ///   - foreignPartitions: all other partitions that are present.
  ///   - unknownFiles: files with names of ours that are not targets but may be what boots; their entries stay.
  ///   - present: the current entries.
  /// - Returns: the steps from the current to the wanted entries.
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
