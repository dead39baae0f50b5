// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import EFIData
internal import HostSystem
internal import SecureBoot

/// Knows what boot entries there should be for whatever images lie on the partitions.
struct EntryPlanner {
  let store: EFIVariableStore
  private let present: BootVariables
  /// Whether the firmware would start what is signed with the certificate in use.
  let trust: BootTrust
  private let wanted: WantedKernels
  private let partitions: [EFISystemPartition]
  private let isComplete: Bool

  /// Reads the variables. Nil where no entry can be made: no firmware with variables, or no partition that has a place
  /// in a partition table. `isComplete`: whether all configured partitions are there.
  init?(_ planner: Planner, isComplete: Bool) throws {
    let host = planner.host
    partitions = planner.survey.partitions.filter { $0.location != nil }
    store = EFIVariableStore(of: host.files)
    guard !partitions.isEmpty, let certificate = planner.certificate else { return nil }
    // On a machine that was booted by UEFI firmware there are variables, or an error says why not.
    guard try store.isPresent || host.isRunningSystem && host.files.exists("/sys/firmware/efi") else { return nil }
    present = try BootVariables(readingFrom: store)
    trust = try BootTrust.evaluate(
      certificate: certificate, database: TrustDatabase(readingFrom: host), throughShim: false)
    wanted = planner.wanted
    self.isComplete = isComplete
  }

  /// The entries for these images, by partition.
  func plan(for images: [String: [ImageName]]) -> BootEntryPlan {
    let targets = order(images).flatMap { name in
      partitions.enumerated().compactMap { index, partition -> BootTarget? in
        guard let location = partition.location, images[partition.name]?.contains(name) == true else { return nil }
        // The menu shows no more than the label.
        let suffix = (name.isPrevious ? " previous" : "") + (index > 0 ? " (\(partition.name))" : "")
        return BootTarget(partition: location, path: name.path, label: BootTarget.label(for: name.kernel) + suffix)
      }
    }
    let next = wanted.nextBoot.flatMap { kernel in targets.first { $0.path == ImageName(kernel).path } }
    return BootEntryPlan.make(
      targets: targets, arePreferred: trust.isAccepted, next: trust.isAccepted ? next : nil,
      ownPartitions: partitions.compactMap(\.location), isComplete: isComplete, present: present)
  }

  /// Pinned, then the newest; then images that only stay; previous ones last.
  private func order(_ images: [String: [ImageName]]) -> [ImageName] {
    let all = Set(images.values.joined())
    let kernels = all.map(\.kernel).sorted { $0.isNewer(than: $1) }
    let ranked = wanted.bootOrder + kernels.filter { !wanted.bootOrder.contains($0) }
    var names = ranked.map { ImageName($0) } + ranked.map { ImageName($0, isPrevious: true) }
    var seen: Set<ImageName> = []
    names.removeAll { !all.contains($0) || !seen.insert($0).inserted }
    return names
  }
}
