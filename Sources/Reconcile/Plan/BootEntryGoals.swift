// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import EFIData
internal import SecureBoot

/// Plans the boot entries for any set of UKIs on the ESPs.
///
/// Some planned UKIs may fail to be written; the entries must lead to those that exist.
struct BootEntryGoals: Sendable {
  private let present: BootVariables
  private let decision: ChainDecision
  private let loaders: LoaderPath
  private let wanted: WantedKernels
  /// ESPs that are GPT or MBR partitions and could be read.
  private let esps: [ESP]
  private let isComplete: Bool
  /// GPT partitions of this machine that are not among `esps`.
  private let foreignPartitions: Set<GUID>
  /// Files with names of pve-sb-uki's UKIs that are not known to be its own.
  ///
  /// The machine may boot from them, so their entries are kept.
  private let unknownFiles: [DevicePath.File]

  /// Nil if no entry can be created: the firmware has no variables, or no ESP is a GPT or MBR partition.
  ///
  /// Throws the error from reading the EFI variables or the boot loaders.
  init?(_ observation: HostObservation, _ decision: ChainDecision) throws {
    // The content of an unreadable ESP is unknown, so its entries are left unchanged.
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

  /// Plans the entries for these UKIs, by ESP.
  ///
  /// Entries that lead to an ESP in `lacking`, whose boot loaders are missing, are left unchanged. UKIs in `refused`
  /// come last.
  ///
  /// Each UKI also has its own entry after the one for systemd-boot. If the firmware rejects the target of
  /// systemd-boot's default, it continues with the next entry.
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

  /// The variable that makes systemd-boot start the kernel that is pinned for the next boot.
  ///
  /// Nil if BootNext does that, or if the machine rejects pve-sb-uki's UKIs.
  var oneShot: (variable: EFIVariableName, data: [UInt8])? {
    decision.trust.isAccepted ? nextImage.flatMap(decision.chain.oneShot) : nil
  }
}
