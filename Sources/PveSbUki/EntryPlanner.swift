// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import EFIData
internal import HostSystem
internal import SecureBoot

/// Knows what boot entries there should be for whatever images lie on the partitions.
struct EntryPlanner {
  let store: EFIVariableStore
  private let present: BootVariables
  private let decision: ChainDecision
  private let loaders: LoaderPath
  private let wanted: WantedKernels
  private let partitions: [EFISystemPartition]
  private let isComplete: Bool
  /// Partitions of this machine that others look after.
  private let foreignPartitions: Set<GUID>
  /// Files of our name space of which nothing is known. They may be what boots, so their entries stay.
  private let unknownFiles: [DevicePath.File]

  /// Reads the variables. Nil where no entry can be made: no firmware with variables, or no partition that has a place
  /// in a partition table.
  init?(_ planner: Planner, _ decision: ChainDecision) throws {
    let host = planner.host
    let states = planner.states
    // What lies on a partition that could not be read is not known, so its entries are left alone.
    partitions = planner.survey.partitions.filter { $0.location != nil && states[$0.name] != nil }
    unknownFiles = partitions.flatMap { partition -> [DevicePath.File] in
      guard let location = partition.location, let images = states[partition.name]?.images else { return [] }
      return images.filter { !$0.isOurs }.map { DevicePath.File(partition: location, path: $0.name.path) }
    }
    let present = try host.files.list(Self.partitionDirectory)
    foreignPartitions = Set((present ?? []).compactMap { GUID($0) })
      .subtracting(partitions.compactMap { $0.location?.guid })
    isComplete =
      present != nil && planner.survey.problems.isEmpty && partitions.count == planner.survey.partitions.count
    store = EFIVariableStore(of: host.files)
    guard !partitions.isEmpty else { return nil }
    // On a machine that was booted by UEFI firmware there are variables, or an error says why not.
    guard try store.isPresent || host.isRunningSystem && host.files.exists("/sys/firmware/efi") else { return nil }
    self.present = try BootVariables(readingFrom: store)
    self.decision = decision
    loaders = LoaderPath(try host.machine)
    wanted = planner.wanted
  }

  /// A link for each partition of a GPT, by its own GUID.
  private static let partitionDirectory = "/dev/disk/by-partuuid"

  /// The entries for these images, by partition; those that lead to a partition in `lacking`, which has not got its boot
  /// loaders, stay as they are. Images in `refused` come last.
  ///
  /// Behind systemd-boot each image has an entry of its own, too: what systemd-boot is told may come to lead to something
  /// that the firmware refuses, and then the firmware goes on with the next entry.
  func plan(for images: [String: [ImageName]], lacking: Set<String>, refused: Set<ImageName>) -> BootEntryPlan {
    var targets: [BootTarget] = []
    var next: BootTarget?
    let order = wanted.bootOrder(of: Set(images.values.joined()), refused: refused)
    for chain in [decision.chain] + (decision.chain.hasSystemdBoot ? [decision.chain.withoutSystemdBoot] : []) {
      for name in order {
        for (index, partition) in partitions.enumerated() {
          guard !lacking.contains(partition.name), let location = partition.location,
            images[partition.name]?.contains(name) == true
          else { continue }
          let suffix = index > 0 ? " (\(partition.name))" : ""
          let target = chain.target(for: name, on: location, loaders: loaders, suffix: suffix)
          if !targets.contains(target) { targets.append(target) }
          if name == nextImage, next == nil { next = target }
        }
      }
    }
    let isPreferred = isPreferred && !order.allSatisfy(refused.contains)
    return BootEntryPlan.make(
      targets: targets, arePreferred: isPreferred, next: isPreferred && oneShot == nil ? next : nil,
      ownPartitions: partitions.filter { !lacking.contains($0.name) }.compactMap(\.location),
      isComplete: isComplete && lacking.isEmpty,
      foreignPartitions: foreignPartitions, unknownFiles: unknownFiles, present: present)
  }

  private var isPreferred: Bool { decision.trust.isAccepted }
  private var nextImage: ImageName? { wanted.nextBoot.map { ImageName($0) } }

  /// What makes systemd-boot start the kernel that is pinned for the next boot; nil where the firmware is told that.
  private var oneShot: (variable: EFIVariableName, data: [UInt8])? { nextImage.flatMap { decision.chain.oneShot($0) } }

  /// As `oneShot`, if systemd-boot is to be told and has not been.
  func missingOneShot() throws -> (fileName: String, content: [UInt8], old: [UInt8]?)? {
    guard isPreferred, let oneShot else { return nil }
    let attributes: EFIVariableAttributes = [.nonVolatile, .bootServiceAccess, .runtimeAccess]
    let content = EFIVariableContent(attributes: attributes, data: oneShot.data).serialize()
    let old = try store.read(oneShot.variable.fileName)
    return old == content ? nil : (oneShot.variable.fileName, content, old)
  }
}

extension WantedKernels {
  /// The images in the order in which the firmware is to try them: pinned, then the newest; then those that only stay;
  /// then previous ones; `refused` last.
  func bootOrder(of images: Set<ImageName>, refused: Set<ImageName> = []) -> [ImageName] {
    let others = images.map(\.kernel).sorted { $0.isNewer(than: $1) }.filter { !bootOrder.contains($0) }
    let ranked = bootOrder + others
    var seen: Set<ImageName> = []
    let names = ranked.map { ImageName($0) } + ranked.map { ImageName($0, isPrevious: true) }
    let order = names.filter { images.contains($0) && seen.insert($0).inserted }
    return order.filter { !refused.contains($0) } + order.filter(refused.contains)
  }
}
