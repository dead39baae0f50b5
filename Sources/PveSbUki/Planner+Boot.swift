// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem
internal import Messages
internal import SecureBoot

extension Planner {
  /// How the images are reached: boot loaders on each partition, then boot entries. What cannot be done about them is a
  /// failure and leaves both as they are.
  mutating func planBoot() {
    guard let certificate, let decision else { return }
    guard !inventory.present.isEmpty else {
      // Without kernels the pinned one is not known to be one, and images would be put in another order.
      if plan.images.values.contains(where: { !$0.isEmpty }) {
        plan.fail(
          Failure(
            "there is no kernel in /boot, so nothing is said to the firmware",
            hint: "mount /boot, if it has a file system of its own"))
      }
      return
    }
    for partition in survey.partitions {
      guard partition.location == nil, let reason = partition.locationNote else { continue }
      plan.note("no boot entry can lead to \(partition.name): \(reason)")
    }
    findRefused()
    do {
      let loaders = try LoaderFiles(decision.chain, configuration, certificate: certificate, on: host)
      self.loaders = loaders
      for (index, planned) in plan.partitions.enumerated() {
        var partition = planned
        do {
          try planLoaders(loaders, decision, &partition)
          try planRemovals(decision, &partition)
          plan.partitions[index] = partition
        } catch {
          lackingLoader.insert(partition.name)
          plan.fail(Failure(adopting: error, of: "\(partition.name)"))
        }
      }
      planLoaderDefault(decision)
      try planEntries(decision)
    } catch {
      loaders = nil
      plan.fail(Failure(adopting: error, of: "the way from the firmware to the images"))
    }
  }

  /// Boot loaders take little room, but if they find none the images are planned anew around them.
  private mutating func planLoaders(
    _ loaders: LoaderFiles, _ decision: ChainDecision, _ partition: inout Plan.Partition
  ) throws {
    guard let files = open.files(of: partition.name), let state = states[partition.name] else { return }
    var reserve = 0
    for _ in 0..<2 {
      let written = Set(partition.images.written)
      let sizes = wantedImages(on: partition).filter { written.contains($0.kernel) }.map {
        (ImageName($0.kernel), $0.size ?? 0)
      }
      partition.loaders = try loaders.plan(
        on: files, images: wanted.bootOrder(of: Set(partition.images.images), refused: plan.refused),
        pending: Dictionary(uniqueKeysWithValues: sizes), removed: partition.images.removed,
        isPreferred: decision.trust.isAccepted && !partition.images.images.allSatisfy(plan.refused.contains))
      let needed = partition.loaders.steps.reduce(0) { $0 + $1.size + (128 << 10) }
      if needed <= partition.images.free + reserve || reserve > 0 { break }
      reserve = needed
      planImages(&partition, state, reserve: reserve)
    }
    for note in partition.loaders.notes { plan.note(note) }
  }

  /// Entries of type 1 start a kernel whose initrd and command line nobody has signed. They are removed if the settings
  /// say so, and only where one of our images has booted already.
  private mutating func planRemovals(_ decision: ChainDecision, _ partition: inout Plan.Partition) throws {
    guard let files = open.files(of: partition.name) else { return }
    let entries = try TypeOneEntries.survey(on: files)
    for note in entries.notes { plan.note(note) }
    let kernels = entries.entries.filter(\.startsKernel)
    guard !kernels.isEmpty else { return }
    let what: Message =
      kernels.count == 1
      ? "\(partition.name) has an entry of type 1, whose initrd and command line are not signed"
      : "\(partition.name) has \(kernels.count) entries of type 1, whose initrd and command line are not signed"
    guard configuration.typeOne == .remove else {
      plan.note("\(what); Type1=remove in \(Configuration.path) removes those of proxmox-boot-tool")
      return
    }
    let hasBooted = manifest.images.contains { $0.booted != nil }
    guard hasBooted, decision.trust.isAccepted, !partition.images.images.isEmpty else {
      plan.note("\(what); they stay until one of our images has booted")
      return
    }
    partition.removals = try entries.removalPlan(on: files)
  }

  private mutating func planEntries(_ decision: ChainDecision) throws {
    guard let planner = try EntryPlanner(self, decision) else { return }
    entryPlanner = planner
    let entries = planner.plan(for: plan.images, lacking: lackingLoader, refused: plan.refused)
    plan.entries = entries
    for rejection in entries.rejections { plan.fail(Failure(rejection.reason)) }
    if case .refused(let reason, let hint) = decision.trust, plan.images.values.contains(where: { !$0.isEmpty }) {
      plan.note("our boot entries stay behind the others: \(reason); \(hint)")
    }
  }
}

extension PartitionPlan {
  /// Kernels whose image is written.
  var written: [Kernel] {
    steps.compactMap { if case .write(let kernel, _) = $0 { kernel } else { nil } }
  }

  /// Images that are gone at the end.
  var removed: Set<ImageName> {
    Set(steps.compactMap { if case .remove(let name, _) = $0 { name } else { nil } }).subtracting(images)
  }
}
