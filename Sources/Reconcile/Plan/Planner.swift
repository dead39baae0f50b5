// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import EFIData
internal import Findings
internal import Messages
internal import SecureBoot
internal import SigningKeys

/// Plans the changes for an observation.
final class Planner {
  private let observation: HostObservation
  private let options: ApplyOptions
  private var plan: ApplyPlan

  static func plan(_ observation: HostObservation, _ options: ApplyOptions) -> ApplyPlan {
    let planner = Planner(observation, options)
    planner.noteProblems()
    planner.planKernels()
    planner.planImages()
    for note in observation.choice.wanted.notes { planner.plan.note(note) }
    planner.planBoot()
    planner.planModuleSigning()
    for esp in planner.plan.esps { planner.reportKeptAndShort(esp) }
    return planner.plan
  }

  private init(_ observation: HostObservation, _ options: ApplyOptions) {
    self.observation = observation
    self.options = options
    plan = ApplyPlan(observation)
  }

  private func noteProblems() {
    if let note = observation.manifestNote { plan.note(note) }
    for note in observation.variants.notes { plan.note(note) }
    // The administrator may insist on a command line: a finding does not prevent the UKI.
    for found in observation.lineFindings where found.finding.severity != .warning {
      if let hint = found.finding.hint, !found.isProven {
        plan.fail(.commandLineInvalid, Failure(found.message, hint: hint))
      } else {
        plan.note(found.message)
      }
    }
    for exposure in observation.exposures { plan.note(exposure.withHint) }
    if let warning = observation.certificateWarning { plan.note(warning.note) }
    for problem in observation.survey.problems {
      plan.fail(.espUnusable, Failure(problem.message, hint: problem.hint))
    }
    for note in observation.fileNotes { plan.note(note) }
    for failure in observation.readFailures { plan.fail(.espUnusable, failure) }
    switch observation.chain {
    case .success(let decision): plan.chain = decision
    case .failure(let failure): plan.fail(.chainUnusable, failure)
    case nil: break
    }
  }

  // MARK: Images

  /// Plans the UKI of each kernel.
  ///
  /// If its inputs are unusable, the kernel keeps its UKI, and the plan has a failure.
  private func planKernels() {
    for note in observation.choice.notes { plan.note(note) }
    for finding in observation.choice.findings { plan.find(finding) }
    for chosen in observation.choice.kernels {
      var planned = chosen
      switch observation.sources[planned.kernel] {
      case .recorded(let digest, let size, let inputs):
        planned.demand = .bytes(digest: digest, size: size)
        planned.inputs = inputs
      case .toBuild where plan.keyAbsence != nil, .waiting:
        planned.isWaitingForKey = true
        plan.waitingForKey.append(planned.kernel)
      case .toBuild(let size, let notes, let inputs):
        for note in notes { plan.note(note) }
        planned.demand = .build(size: size)
        planned.inputs = inputs
      case .unusable(let failure):
        plan.fail(.ukiUnbuildable, failure)
        planned.isUnusable = true
      case nil: break
      }
      plan.kernels.append(planned)
    }
    reportKey()
  }

  /// Reports an absent or unusable key if something has to be signed.
  private func reportKey() {
    let needsKey = plan.kernels.contains { if case .build = $0.demand { true } else { false } }
    if let failure = plan.keyFailure, needsKey || plan.certificate == nil { plan.fail(.keyUnusable, failure) }
    guard let absence = plan.keyAbsence, let first = plan.waitingForKey.first else { return }
    plan.waitingKernelsBoot = stillBoots
    let what: Message =
      plan.waitingForKey.count == 1
      ? "kernel \(first.release) waits for the signing key"
      : "\(plan.waitingForKey.count) kernels wait for the signing key"
    let message: Message =
      plan.waitingKernelsBoot ? "\(absence): \(what); the present UKIs boot" : "\(absence): \(what)"
    plan.find(
      Finding(
        .keyAway, Failure(message, hint: absence.hint),
        arguments: ["kernels": JSONValue(plan.waitingForKey.map(\.release))], command: absence.command))
  }

  /// Whether UKIs of the waiting kernels exist and the machine starts them.
  private var stillBoots: Bool {
    let names = Set(plan.waitingForKey.map { UKIName($0) })
    guard observation.contents.values.contains(where: { !names.isDisjoint(with: $0.own) }) else { return false }
    return observation.keepsAcceptedImages || plan.chain?.trust.isAccepted ?? (observation.isBootedFromUKI == true)
  }

  /// Boot loaders that have to be signed wait for the key, too: the ESP keeps its loaders and boot entries.
  private func waitForKey(_ esp: inout ESPPlan) {
    let needsKey = esp.loaders.contains { if case .signed = $0.source { true } else { false } }
    guard needsKey, let absence = plan.keyAbsence else { return }
    esp.loaders = []
    esp.defaultEntry = nil
    plan.lackingLoader.insert(esp.name)
    plan.find(
      Finding(
        .keyAway,
        Failure("\(absence): the boot loader on \(esp.name) waits for the signing key", hint: absence.hint),
        arguments: ["partition": .string(esp.name)], command: absence.command))
  }

  private func planImages() {
    for esp in observation.survey.esps {
      guard let contents = observation.contents[esp.name] else { continue }
      var planned = ESPPlan(esp, contents)
      withhold(&planned, contents)
      planImages(&planned, contents: contents, reserve: 0)
      planned.staged = observation.staged[esp.name] ?? StagedRemoval()
      plan.esps.append(planned)
    }
  }

  /// `reserve` is the space in bytes to keep free for files other than UKIs.
  private func planImages(_ esp: inout ESPPlan, contents: ESPContents, reserve: Int) {
    var contents = contents
    contents.free -= reserve
    let accepted = observation.accepted[esp.name] ?? []
    esp.images = ImagePlanner.plan(
      wantedKernels(on: esp), on: contents, inventory: observation.inventory, running: observation.running,
      // Without the key, no other UKI would follow.
      removesOthers: options.kernels.isEmpty && accepted.isEmpty && plan.waitingForKey.isEmpty,
      keeping: accepted.union([observation.choice.wanted.preferredPrevious].compactMap { $0 }))
  }

  private func wantedKernels(on esp: ESPPlan) -> [PlannedKernel] {
    plan.kernels.map { esp.withheld.contains($0.kernel) ? $0.withoutDemand : $0 }
  }

  /// Keeps UKIs that the machine starts if it would reject newly signed ones, for example because a new key is not
  /// enrolled yet: promise I1.
  ///
  /// The plan reports it as a failure.
  private func withhold(_ esp: inout ESPPlan, _ contents: ESPContents) {
    guard case .refused(let reason, let hint) = plan.chain?.trust else { return }
    for image in contents.images where observation.accepted[esp.name]?.contains(image.name) == true {
      guard let planned = plan.kernels.first(where: { $0.uki == image.name }), planned.demand != .none else { continue }
      esp.withheld.insert(planned.kernel)
      plan.fail(
        .keyNotEnrolled,
        Failure(
          "keeping \(image.name.path.dropFirst()): the firmware would reject the new UKI: \(reason)",
          hint: hint))
    }
  }

  // MARK: Boot

  /// Plans the boot chain: boot loaders on each ESP, then boot entries.
  ///
  /// If that is not possible, the plan has a failure, and both are left unchanged.
  private func planBoot() {
    guard let decision = plan.chain, let loaders = observation.loaders else { return }
    guard !observation.inventory.present.isEmpty else {
      // Without kernels the pin cannot be resolved, and the boot order would change.
      if plan.outcome.values.contains(where: { !$0.isEmpty }) {
        plan.fail(
          .workFailed,
          Failure(
            "no kernel in /boot; boot entries are left unchanged",
            hint: "mount /boot if it is a separate file system"))
      }
      return
    }
    for esp in observation.survey.esps {
      guard esp.location == nil, observation.firmware.variables != nil, let problem = esp.locationProblem else {
        continue
      }
      let failure = Failure("\(esp.name) cannot have boot entries: \(problem.message)", hint: problem.hint)
      // Images for other machines are built in directories.
      if esp.device == nil { plan.note(failure.withHint) } else { plan.fail(.espWithoutEntry, failure) }
    }
    findRefused()
    let trials = TrialGoals(observation)
    plan.unproven = trials.unproven(plan.outcome, record: plan.futureRecord)
    for note in trials.notes { plan.note(note) }
    switch loaders {
    case .success(let programs):
      for index in plan.esps.indices { planBootFiles(programs, decision: decision, at: index) }
      planLoaderDefault()
      planEntries(decision)
    case .failure(let failure): plan.fail(.chainUnusable, failure)
    }
  }

  /// Finds existing UKIs that the boot chain rejects although it trusts their key.
  private func findRefused() {
    guard !observation.refusals.isEmpty else { return }
    for esp in plan.esps {
      for name in esp.images.outcome {
        guard let digest = digest(of: name, on: esp), let reason = observation.refusals[digest] else { continue }
        plan.refused.insert(name)
        plan.fail(.ukiRejected, ApplyPlan.refusal(of: name, on: esp.name, reason))
      }
    }
  }

  /// SHA-256 of the UKI that will have this name; nil if it has to be built or is not in the manifest.
  private func digest(of name: UKIName, on esp: ESPPlan) -> [UInt8]? {
    guard esp.images.written.contains(name.kernel), !name.isPrevious else {
      return observation.manifest.image(on: esp.name, name)?.digest
    }
    guard case .bytes(let digest, _) = plan.kernels.first(where: { $0.uki == name })?.demand else { return nil }
    return digest
  }

  private func planBootFiles(_ programs: LoaderPrograms, decision: ChainDecision, at index: Int) {
    var esp = plan.esps[index]
    switch observation.bootFiles[esp.name] {
    case .success(let files):
      do {
        try planLoaders(programs, state: files.loaders, decision: decision, on: &esp)
        waitForKey(&esp)
        planRemovals(files.typeOne, decision: decision, on: &esp)
        plan.esps[index] = esp
      } catch {
        plan.lackingLoader.insert(esp.name)
        plan.fail(.chainUnusable, error)
      }
    case .failure(let failure):
      plan.lackingLoader.insert(esp.name)
      plan.fail(.chainUnusable, failure)
    case nil: break
    }
  }

  /// Plans boot loaders; if no space is left for them, plans the UKIs again with that space reserved.
  private func planLoaders(
    _ programs: LoaderPrograms, state: LoaderState, decision: ChainDecision, on esp: inout ESPPlan
  ) throws(Failure) {
    guard let contents = observation.contents[esp.name] else { return }
    var reserve = 0
    for _ in 0..<2 {
      let written = Set(esp.images.written)
      let sizes = wantedKernels(on: esp).filter { written.contains($0.kernel) }.map { ($0.uki, $0.size ?? 0) }
      let planner = LoaderPlanner(
        programs: programs, state: state, contents: contents, pending: Dictionary(uniqueKeysWithValues: sizes),
        removed: esp.images.removed,
        isPreferred: decision.trust.isAccepted && !esp.images.outcome.allSatisfy(plan.refused.contains))
      let images = observation.choice.wanted.bootOrder(
        of: Set(esp.images.outcome), unproven: plan.unproven, refused: plan.refused)
      (esp.loaders, esp.defaultEntry) = try planner.plan(images)
      // Without a partition that a boot entry can name, something else may start them.
      esp.unused = planner.isPreferred && esp.target.location != nil && !images.isEmpty ? state.unused : []
      for note in planner.notes(images) { plan.note(note) }
      let needed = esp.loaders.reduce(0) { $0 + $1.size + (128 << 10) }
      if needed <= esp.images.free + reserve || reserve > 0 { break }
      reserve = needed
      planImages(&esp, contents: contents, reserve: reserve)
    }
  }

  /// Plans the removal of type 1 entries, whose initrd and command line are not signed.
  ///
  /// They are only removed if the settings say so and one of pve-sb-uki's UKIs has booted.
  private func planRemovals(_ found: TypeOneEntries, decision: ChainDecision, on esp: inout ESPPlan) {
    for note in found.notes { plan.note(note) }
    let kernels = found.entries.filter(\.startsKernel)
    guard !kernels.isEmpty else { return }
    let what: Message =
      kernels.count == 1
      ? "\(esp.name) has an entry of type 1, whose initrd and command line are not signed"
      : "\(esp.name) has \(kernels.count) entries of type 1, whose initrd and command line are not signed"
    guard observation.configuration.typeOne == .remove else {
      plan.note("\(what); Type1=remove in \(Configuration.path) removes those of proxmox-boot-tool")
      return
    }
    let hasBooted = observation.manifest.images.contains { $0.booted != nil }
    guard hasBooted, decision.trust.isAccepted, !esp.images.outcome.isEmpty else {
      plan.note("\(what); they stay until the machine has booted a UKI")
      return
    }
    esp.removals = found.removals
  }

  /// Plans systemd-boot's default.
  ///
  /// Needs the planned default of each ESP.
  private func planLoaderDefault() {
    guard let found = observation.loaderDefault, plan.esps.contains(where: { $0.defaultEntry != nil }) else { return }
    let isChosen = observation.configuration.chain == .systemdBoot
    let isOurs = found.variable.map { found.record.isOurs($0) || leadsNowhere($0) } ?? true
    if let text = found.variable, !isOurs, !options.takesOverDefault {
      let finding = found.check(text, plan.esps)
      if let failure = finding.failure { plan.fail(.loaderOutdated, failure) }
      if let note = finding.note { plan.note(note) }
      plan.loaderDefault = LoaderDefaultPlan(keeping: found, plan.esps, isChosen: isChosen)
    } else {
      plan.loaderDefault = LoaderDefaultPlan(replacing: found, plan.esps, isChosen: isChosen)
    }
  }

  /// Whether the text is a name of pve-sb-uki's UKIs that exists on no ESP.
  private func leadsNowhere(_ text: String) -> Bool {
    guard UKIName(fileName: text) != nil else { return false }
    return !plan.outcome.values.joined().contains { $0.fileName.lowercased() == text.lowercased() }
  }

  private func planEntries(_ decision: ChainDecision) {
    do {
      guard let goals = try BootEntryGoals(observation, decision) else { return }
      plan.entryGoals = goals
      plan.planEntries()
      if let trial = plan.trial, trial.test == nil {
        let first: Message =
          plan.firstImage.map { "; until that boot is confirmed, \($0.fileName) boots first" } ?? ""
        plan.note("kernel \(trial.name.kernel.release) is tried at the next boot\(first)")
      }
      for rejection in plan.entries?.rejections ?? [] { plan.fail(.bootEntriesOutdated, Failure(rejection.reason)) }
      // The entries of UKIs that are kept because the machine starts them stay where they are.
      if case .refused(let reason, let hint) = decision.trust, !observation.keepsAcceptedImages,
        plan.outcome.values.contains(where: { !$0.isEmpty })
      {
        plan.note("pve-sb-uki's boot entries stay after the others: \(reason); \(hint)")
      }
    } catch {
      // The type 1 entries may be all that the firmware can boot.
      for index in plan.esps.indices { plan.esps[index].removals = [] }
      plan.fail(.chainUnusable, Failure(adopting: error, of: "the boot chain"))
    }
  }

  // MARK: The rest

  /// Plans the dkms settings.
  ///
  /// Changes nothing if the certificate cannot be read: UKIs fail for the same reason.
  private func planModuleSigning() {
    let configuration = observation.configuration
    do {
      let wanted: DKMSSigning
      if !configuration.signsModules {
        wanted = DKMSSigning()
      } else if let certificate = observation.certificate {
        wanted = try DKMSSigning(key: configuration.key, certificate: certificate.der)
      } else {
        return
      }
      plan.moduleSigning = wanted.steps(from: try observation.dkms.get())
    } catch {
      plan.fail(.workFailed, Failure(adopting: error, of: Message(verbatim: "dkms")))
    }
  }

  private func reportKeptAndShort(_ esp: ESPPlan) {
    for (name, keepReason) in esp.images.kept.sorted(by: { $0.key.fileName < $1.key.fileName }) {
      let reason: Message =
        switch keepReason {
        case .running: "the kernel is running"
        case .knownGood: "this machine was last booted from it"
        case .last: "no other UKI is known to be intact"
        }
      plan.note("keeping the UKI of kernel \(name.kernel.release), which is removed or not selected: \(reason)")
    }
    for shortage in esp.images.shortages {
      plan.fail(
        .espFull,
        Failure(
          """
          \(esp.name) has no room for the UKI of kernel \(shortage.kernel.release): it needs \
          \(shortage.needed >> 20) MiB, at most \(shortage.available >> 20) MiB can be made free
          """,
          hint: """
            remove kernels that are not needed (apt autoremove --purge), make initrds smaller (MODULES=dep), \
            or set Keep= in \(Configuration.path)
            """))
    }
  }
}
