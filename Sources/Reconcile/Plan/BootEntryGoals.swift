// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import EFIData
internal import SecureBoot

/// What boot entries there are to be for whatever images lie on the ESPs.
///
/// All is as planned only where every image could be written; the entries must lead to what is there.
struct BootEntryGoals: Sendable {
  private let present: BootVariables
  private let decision: ChainDecision
  private let loaders: LoaderPath
  private let wanted: WantedKernels
  /// Those that have a place in a partition table and could be read.
  private let esps: [ESP]
  private let isComplete: Bool
  /// Partitions of this machine that others look after.
  private let foreignPartitions: Set<GUID>
  /// Files of our name space of which nothing is known.
  ///
  /// They may be what boots, so their entries stay.
  private let unknownFiles: [DevicePath.File]

  /// Nil where no entry can be made: no firmware with variables, or no ESP that has a place in a partition table.
  ///
  /// Throws what keeps the firmware's variables from being read.
  init?(_ observation: HostObservation, _ decision: ChainDecision) throws {
    // What lies on an ESP that could not be read is not known, so its entries are left alone.
    esps = observation.readESPs.filter { $0.location != nil }
    guard !esps.isEmpty, let variables = observation.firmware.variables,
      let programs = try observation.loaders?.get()
    else { return nil }
    present = try variables.get()
    self.decision = decision
    loaders = programs.paths
    wanted = observation.choice.wanted
    unknownFiles = esps.flatMap { esp -> [DevicePath.File] in
      guard let location = esp.location, let images = observation.contents[esp.name]?.images else { return [] }
      return images.filter { !$0.isOurs }.map { DevicePath.File(partition: location, path: $0.name.path) }
    }
    let partitions = observation.firmware.partitions
    foreignPartitions = (partitions ?? []).subtracting(esps.compactMap { $0.location?.guid })
    isComplete =
      partitions != nil && observation.survey.problems.isEmpty && esps.count == observation.survey.esps.count
  }

  /// The entries for these images, by ESP; those that lead to an ESP in `lacking`, which has not got its boot loaders,
  /// stay as they are.
  ///
  /// Images in `refused` come last.
  ///
  /// Behind systemd-boot each image has an entry of its own, too: what systemd-boot is told may come to lead to something
  /// that the firmware refuses, and then the firmware goes on with the next entry.
  func plan(for images: [String: [UKIName]], lacking: Set<String>, refused: Set<UKIName>) -> BootEntryPlan {
    var targets: [BootTarget] = []
    var next: BootTarget?
    let order = wanted.bootOrder(of: Set(images.values.joined()), refused: refused)
    for chain in [decision.chain] + (decision.chain.hasSystemdBoot ? [decision.chain.withoutSystemdBoot] : []) {
      for name in order {
        for (index, esp) in esps.enumerated() {
          guard !lacking.contains(esp.name), let location = esp.location, images[esp.name]?.contains(name) == true
          else {
            continue
          }
          let suffix = index > 0 ? " (\(esp.name))" : ""
          let target = chain.target(for: name, on: location, loaders: loaders, suffix: suffix)
          if !targets.contains(target) { targets.append(target) }
          if name == nextImage, next == nil { next = target }
        }
      }
    }
    let isPreferred = decision.trust.isAccepted && !order.allSatisfy(refused.contains)
    return BootEntryPlan.make(
      targets: targets, arePreferred: isPreferred,
      next: isPreferred && nextImage.flatMap(decision.chain.oneShot) == nil ? next : nil,
      ownPartitions: esps.filter { !lacking.contains($0.name) }.compactMap(\.location),
      isComplete: isComplete && lacking.isEmpty,
      foreignPartitions: foreignPartitions, unknownFiles: unknownFiles, present: present)
  }

  private var nextImage: UKIName? { wanted.nextBoot.map { UKIName($0) } }

  /// What makes systemd-boot start the kernel that is pinned for the next boot; nil where the firmware is told that, or
  /// the machine would refuse it.
  var oneShot: (variable: EFIVariableName, data: [UInt8])? {
    decision.trust.isAccepted ? nextImage.flatMap(decision.chain.oneShot) : nil
  }
}
