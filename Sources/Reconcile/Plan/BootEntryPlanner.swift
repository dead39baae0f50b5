// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import EFIData
internal import Messages

/// Builds a `BootEntryPlan`.
struct BootEntryPlanner: ~Copyable {
  private let present: BootVariables
  private let partitions: [PartitionLocation]
  /// Entries that lead to files with pve-sb-uki's names on the host's ESPs.
  private let own: [BootVariables.Entry]
  /// Entries that lead to files with pve-sb-uki's names on partitions that no longer exist.
  private let stale: [BootVariables.Entry]
  private let unknownFiles: [DevicePath.File]

  private var assigned: [(target: BootTarget, number: UInt16)] = []
  private var creations: [BootEntryPlan.Step] = []
  private var updates: [BootEntryPlan.Step] = []
  private var rejections: [BootEntryPlan.Rejection] = []
  private var usedNumbers: Set<UInt16>

  /// `isGone` tells whether a partition outside `partitions` no longer exists.
  init(
    present: BootVariables, partitions: [PartitionLocation], unknownFiles: [DevicePath.File], isGone: (GUID) -> Bool
  ) {
    self.present = present
    self.partitions = partitions
    self.unknownFiles = unknownFiles
    own = present.entries.filter { BootEntryPlan.isOurs($0, on: partitions) }
    stale = present.entries.filter { entry in
      // Whether a disk with an MBR is gone is not known.
      guard let option = entry.option, let file = option.file, !file.partition.isMBR, isGone(file.partition.guid)
      else { return false }
      return file.isInOurNameSpace && option.description.hasPrefix(BootTarget.labelPrefix)
        && !partitions.contains { $0.isSamePartition(as: file.partition) }
    }
    usedNumbers = Set(present.entries.map(\.number) + present.order)
    usedNumbers.formUnion([present.next, present.current].compactMap { $0 })
  }

  mutating func add(_ target: BootTarget) {
    guard number(of: target) == nil else { return }
    guard target.file.isInOurNameSpace else {
      return reject(target, "\(target.path) is not a path managed by pve-sb-uki")
    }
    do throws(ParseError) {
      let wanted = try LoadOption(
        description: target.label, file: target.file, optionalData: target.optionalData)
      if let entry = entry(for: target) {
        assigned.append((target, entry.number))
        if let option = entry.option.flatMap({ Self.correction(of: $0, to: wanted) }) {
          updates.append(.update(entry.number, option))
        }
      } else if let number = (UInt16.min...UInt16.max).first(where: { !usedNumbers.contains($0) }) {
        usedNumbers.insert(number)
        assigned.append((target, number))
        creations.append(.create(number, wanted))
      } else {
        reject(target, "all boot entry numbers are in use")
      }
    } catch {
      reject(target, "\(target.path) cannot have a boot entry: \(error)")
    }
  }

  func plan(arePreferred: Bool, next: BootTarget?, clearing armed: UInt16?) -> BootEntryPlan {
    let ours = assigned.filter(\.target.isOrdered).map(\.number)
    let unordered = assigned.filter { !$0.target.isOrdered }.map(\.number)
    let unwanted = (own + stale).filter { !ours.contains($0.number) && !unordered.contains($0.number) }
    let gone = unwanted.filter { !mustStay($0) }.map(\.number).sorted()
    let kept = present.order.filter { number in unwanted.contains { $0.number == number } && !gone.contains(number) }
    let foreign = present.order.filter { number in
      !ours.contains(number) && !unordered.contains(number) && !kept.contains(number) && !gone.contains(number)
    }
    let order =
      arePreferred ? ours + kept + foreign : orderOfRefused(ours, foreign: foreign, kept: kept, gone: gone)
    var plan = BootEntryPlan(steps: creations + updates, present: present)
    plan.rejections = rejections
    let isReachable = order.contains { ours.contains($0) || present[$0]?.isActive == true }
    if isReachable, order != present.order { plan.steps.append(.order(order)) }
    if let next {
      if let number = number(of: next) {
        if number != present.next { plan.steps.append(.next(number)) }
      } else if !rejections.contains(where: { $0.target == next }) {
        plan.rejections.append(.init(target: next, reason: "\(next.path) has no boot entry for the next boot"))
      }
    } else if let armed, present.next == armed {
      plan.steps.append(.next(nil))
    }
    if isReachable { plan.steps += gone.map { .remove($0) } }
    return plan
  }

  private func mustStay(_ entry: BootVariables.Entry) -> Bool {
    if entry.number == present.current { return true }
    guard let file = entry.option?.file else { return false }
    return unknownFiles.contains { $0.isSameFile(as: file) }
  }

  /// The boot order if the machine rejects pve-sb-uki's UKIs: our entries come last.
  ///
  /// If the machine was booted from one of our entries, it does accept them, so they keep their place. If there is no
  /// boot order, none is created: one with only our entries would put them first.
  private func orderOfRefused(_ ours: [UInt16], foreign: [UInt16], kept: [UInt16], gone: [UInt16]) -> [UInt16] {
    if present.order.isEmpty { return [] }
    guard own.contains(where: { $0.number == present.current }) else { return foreign + ours + kept }
    return present.order.filter { !gone.contains($0) } + ours.filter { !present.order.contains($0) }
  }

  private func number(of target: BootTarget) -> UInt16? {
    assigned.first { $0.target.file.isSameFile(as: target.file) && $0.target.optionalData == target.optionalData }?
      .number
  }

  /// The existing entry to reuse for the target: the one from which this machine was booted, otherwise the first in the
  /// boot order.
  ///
  /// shim starts the program named in the optional data, and the stub the profile, so each value of the data is a
  /// separate target.
  private func entry(for target: BootTarget) -> BootVariables.Entry? {
    let candidates = own.filter { entry in
      guard let option = entry.option, option.file?.isSameFile(as: target.file) == true else { return false }
      if target.optionalData.isEmpty { return !option.optionalData.starts(with: Self.profileMark) }
      return option.optionalData.starts(with: target.optionalData)
    }
    if let current = candidates.first(where: { $0.number == present.current }) { return current }
    let first = present.order.first { number in candidates.contains { $0.number == number } }
    return candidates.first { $0.number == first } ?? candidates.first
  }

  /// `@` in UTF-16.
  private static let profileMark: [UInt8] = [0x40, 0]

  /// The corrected option; nil if it is already correct.
  ///
  /// If its device path leads to the right file, the path stays as the firmware wrote it.
  private static func correction(of option: LoadOption, to wanted: LoadOption) -> LoadOption? {
    var corrected = option.file?.partition == wanted.file?.partition ? option : wanted
    corrected.attributes = option.attributes.union(.active)
    // Some firmware appends its own data to all entries at every boot; shim and the stub ignore it.
    let isMarked = !wanted.optionalData.isEmpty || option.hasOnlyFirmwareMarks
    if !isMarked || !option.optionalData.starts(with: wanted.optionalData) {
      corrected.optionalData = wanted.optionalData
    } else {
      corrected.optionalData = option.optionalData
    }
    if corrected.description != wanted.description { corrected.description = wanted.description }
    return corrected == option ? nil : corrected
  }

  private mutating func reject(_ target: BootTarget, _ reason: Message) {
    rejections.append(BootEntryPlan.Rejection(target: target, reason: reason))
  }
}
