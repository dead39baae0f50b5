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
  private let trials: TrialGoals
  /// The administrator's profiles that get boot entries, by number.
  private let profiles: [(number: Int, profile: BootProfile)]
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
    trials = TrialGoals(observation)
    profiles = observation.variants.profiles.enumerated().filter { $0.element.hasEntry }.map {
      ($0.offset + 1, $0.element)
    }
    unknownFiles = esps.flatMap { esp -> [DevicePath.File] in
      guard let location = esp.location, let images = observation.contents[esp.name]?.images else { return [] }
      return images.filter { !$0.isOurs }.map { DevicePath.File(partition: location, path: $0.name.path) }
    }
    let partitions = observation.firmware.partitions
    foreignPartitions = (partitions ?? []).subtracting(esps.compactMap { $0.location?.guid })
    isComplete =
      partitions != nil && observation.survey.problems.isEmpty && esps.count == observation.survey.esps.count
  }

  /// The UKIs for which entries are planned.
  struct Images {
    /// pve-sb-uki's UKIs by name of the ESP.
    var names: [String: [UKIName]]
    /// What is known about a UKI on an ESP; nil for one that has to be built.
    var record: (String, UKIName) -> ImageRecord?
    /// Whether UKIs without a record will be built.
    var isFuture = false
    /// Whether the next boot may try a UKI.
    var allowsTrial = true
    /// ESPs whose boot loaders are missing; entries that lead to them are left unchanged.
    var lacking: Set<String> = []
    /// UKIs that the firmware rejects; they come last.
    var refused: Set<UKIName> = []
  }

  /// Entries, and what the firmware is told to boot once.
  struct Result: Sendable {
    var entries: BootEntryPlan
    /// The UKI that the next boot tries; nil if there is none.
    var trial: TrialCandidate?
    /// The number of its boot entry; nil with systemd-boot.
    var trialEntry: UInt16?
    /// The variable that makes systemd-boot start an entry once; nil if BootNext does that.
    var oneShot: (variable: EFIVariableName, data: [UInt8])?
  }

  /// Plans the entries for these UKIs.
  ///
  /// Each UKI also has its own entry after the one for systemd-boot. If the firmware rejects the target of
  /// systemd-boot's default, it continues with the next entry.
  func plan(for images: Images) -> Result {
    let usable = esps.filter { !images.lacking.contains($0.name) }
    let names = Set(images.names.values.joined())
    let unproven = trials.unproven(images.names, record: images.record)
    let order = wanted.bootOrder(of: names, unproven: unproven, refused: images.refused)
    var targets: [BootTarget] = []
    var next: BootTarget?
    func add(_ name: UKIName, _ chain: BootChain, profile: (number: Int, profile: BootProfile)? = nil) {
      for (index, esp) in esps.enumerated() {
        guard usable.contains(esp), let location = esp.location, images.names[esp.name]?.contains(name) == true else {
          continue
        }
        let title = profile.map { " (\($0.profile.name))" } ?? ""
        let target = chain.target(
          for: name, on: location, loaders: loaders, suffix: title + (index > 0 ? " (\(esp.name))" : ""),
          profile: profile?.number)
        if !targets.contains(target) { targets.append(target) }
        if profile == nil, name == nextImage, next == nil { next = target }
      }
    }
    for chain in [decision.chain] + (decision.chain.hasSystemdBoot ? [decision.chain.withoutSystemdBoot] : []) {
      for name in order { add(name, chain) }
    }
    if let first = order.first, !decision.chain.hasSystemdBoot {
      for profile in profiles where usable.allSatisfy({ hasProfiles(first, on: $0, images) }) {
        add(first, decision.chain, profile: profile)
      }
    }
    let isPreferred = decision.trust.isAccepted && !order.allSatisfy(images.refused.contains)
    let trial =
      isPreferred && images.allowsTrial
      ? trials.candidate(
        usable.map { ($0.name, images.names[$0.name] ?? []) }, unproven: unproven, refused: images.refused,
        isFuture: images.isFuture, record: images.record) : nil
    let oneShot = isPreferred ? self.oneShot(trial) : nil
    if let trial, oneShot == nil, !isForeign(present.next) {
      next = target(of: trial)
      if let next, !targets.contains(next) { targets.append(next) }
    }
    let entries = BootEntryPlan.make(
      targets: targets, arePreferred: isPreferred, next: isPreferred && oneShot == nil ? next : nil,
      clearing: trials.armedEntry, ownPartitions: usable.compactMap(\.location),
      isComplete: isComplete && images.lacking.isEmpty,
      foreignPartitions: foreignPartitions, unknownFiles: unknownFiles, present: present)
    let isRequested = trial != nil && (oneShot != nil || !isForeign(present.next) && entries.next != nil)
    return Result(
      entries: entries, trial: isRequested ? trial : nil, trialEntry: oneShot == nil ? entries.next : nil,
      oneShot: oneShot)
  }

  /// Whether BootNext is the choice of someone else.
  private func isForeign(_ next: UInt16?) -> Bool { next != nil && next != trials.armedEntry }

  private func hasProfiles(_ name: UKIName, on esp: ESP, _ images: Images) -> Bool {
    guard images.names[esp.name]?.contains(name) == true, let record = images.record(esp.name, name) else {
      return true
    }
    return record.profiles != nil
  }

  /// The target of a trial: the UKI's usual entry, or one that starts its profile and is not in the boot order.
  private func target(of trial: TrialCandidate) -> BootTarget? {
    guard let index = esps.firstIndex(where: { $0.name == trial.esp }), let location = esps[index].location else {
      return nil
    }
    let suffix = (trial.profile == nil ? "" : " (trial)") + (index > 0 ? " (\(trial.esp))" : "")
    var target = decision.chain.target(
      for: trial.name, on: location, loaders: loaders, suffix: suffix, profile: trial.profile)
    target.isOrdered = trial.profile == nil
    return target
  }

  /// The variable that makes systemd-boot start the kernel that is pinned for the next boot, or the trial.
  private func oneShot(_ trial: TrialCandidate?) -> (variable: EFIVariableName, data: [UInt8])? {
    if let nextImage { return decision.chain.oneShot(nextImage) }
    return trial.flatMap { decision.chain.oneShot($0.name, profile: $0.profile == nil ? nil : .trial) }
  }

  private var nextImage: UKIName? { wanted.nextBoot.map { UKIName($0) } }
}
