// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import BootPaths
internal import Cryptography
internal import Findings
internal import HostSystem
internal import Messages
internal import Reconcile
internal import SecureBoot
internal import SigningKeys
internal import StartupCheck

/// Builds a report from an observation and its plan.
struct StatusReporter: ~Copyable {
  private let host: Host
  private let observation: HostObservation
  private let plan: ApplyPlan
  private let state: Result<MachineState, any Error>
  private(set) var report = Status.Report()

  init(_ host: Host, _ assessment: borrowing Assessment) {
    self.host = host
    observation = assessment.observation
    plan = assessment.plan
    do {
      state = .success(try MachineState(of: host, assessment))
    } catch {
      state = .failure(error)
    }
  }

  /// Reports how long the last boots took, and this one unless `addingThis` is false.
  mutating func describeBoots(addingThis: Bool) {
    report.boots = BootHistory.load(of: host, addingThis: addingThis).boots
    report.bootID = host.bootID
    if addingThis { report.ignoredTimes = BootTimes.read(from: host).ignored }
  }

  mutating func describe(isQuick: Bool) throws {
    report.notes = plan.notes
    if isQuick { report.notes.append("UKIs were not read (--quick)") }
    for finding in plan.findings { report.find(finding) }
    report.chain = plan.chainName
    describeCommandLines()
    describeState()
    describeMachine()
    describeESPs()
    describeKernels()
    try describeTrust()
    describeEntries()
    describeModules()
    for finding in TrialFindings.of(observation, plan) { report.find(finding) }
    describeStartup(isQuick: isQuick)
    describePaths()
    describeRepairs()
    try describeLastFailure()
    chooseNextStep()
  }

  /// Reports findings about command lines; they are not problems if this machine runs with that line.
  private mutating func describeCommandLines() {
    for found in observation.lineFindings {
      if found.finding.severity == .warning {
        report.notes.append(found.message)
      } else if !found.isProven {
        report.remove { $0.message == found.message }
        report.find(Finding(.commandLineInvalid, found.message, actions: [.run("pve-sb-uki cmdline edit")]))
      }
    }
  }

  private mutating func describeState() {
    // The same about the key, also if nothing waits for it.
    report.remove { $0.kind == .keyAway || $0.kind == .keyUnusable }
    for finding in KeyFindings.of(observation, plan) { report.find(finding) }
    switch state {
    case .success(let state):
      report.state = state
      for finding in state.findings { report.find(finding) }
    case .failure(let error): report.find(Finding(.workFailed, Failure(of: "Secure Boot", error)))
    }
  }

  /// Reports findings that `apply` only notes, if at all: the machine boots anyway.
  private mutating func describeMachine() {
    let context = MachineFindings.Context(observation, plan)
    for finding in MachineFindings.collect(on: host, context) { report.find(finding) }
    report.lockdown = (try? KernelLockdown.current(on: host)).flatMap { $0 }
    report.lastApply = PrometheusText.lastApply(on: host)
    report.certificateTerms = CertificateTerms.terms(context, on: host)
  }

  private mutating func describeESPs() {
    report.esps = observation.survey.esps.map { esp in
      let free = observation.contents[esp.name]?.free
      return Status.ESP(name: esp.name, free: free, problem: free == nil ? "cannot be read" : nil)
    }
    report.esps += observation.survey.problems.map { problem in
      Status.ESP(name: problem.name, free: nil, problem: problem.message)
    }
    for esp in observation.survey.esps where esp.uncleanState != nil {
      report.find(
        Finding(
          .espUnclean, "\(esp.name) was not unmounted after the last write",
          arguments: ["partition": .string(esp.name)], actions: [.run(Self.apply)]))
    }
  }

  private static let apply: Message = "pve-sb-uki apply"

  /// Kernels of the plan with a damaged UKI.
  private var damagedKernels: Set<Kernel> {
    Set(observation.damaged.filter { !$0.name.isPrevious }.map(\.name.kernel)).intersection(plan.kernels.map(\.kernel))
  }

  private mutating func describeKernels() {
    for planned in plan.kernels {
      let states = plan.esps.map { esp in
        (esp.name, state(of: planned, on: esp, among: observation.contents[esp.name]?.images ?? []))
      }
      let kernel = Status.Kernel(
        release: planned.release, isRunning: planned.release == observation.running, reasons: planned.reasonNames,
        reasonWords: planned.reasonWords,
        states: states)
      report.kernels.append(kernel)
      if !planned.isUnusable, !planned.isWaitingForKey { findDeviations(of: planned, states) }
    }
    for (esp, name) in observation.damaged where name.isPrevious || !damagedKernels.contains(name.kernel) {
      report.notes.append("\(name.path.dropFirst()) on \(esp) is damaged but not needed")
    }
  }

  /// One finding about a kernel whose UKI is not current, of the kind of its worst state.
  private mutating func findDeviations(of planned: PlannedKernel, _ states: [(String, Status.Kernel.State)]) {
    // The plan reports UKIs that stay because the machine would reject new ones.
    let withheld = Set(plan.esps.filter { $0.withheld.contains(planned.kernel) }.map(\.name))
    let deviating = states.filter { $0.1 != .current && $0.1 != .kept && !withheld.contains($0.0) }
    guard !deviating.isEmpty else { return }
    let places = deviating.map { "\($0.1.word) on \($0.0)" as Message }
    let kind: FindingKind =
      deviating.contains { $0.1 == .changed }
      ? .ukiDamaged : deviating.contains { $0.1 == .missing } ? .ukiMissing : .ukiOutdated
    report.find(
      Finding(
        kind, "the UKI of kernel \(planned.release) is \(places.joined(separator: ", "))",
        arguments: ["kernel": .string(planned.release), "partitions": JSONValue(deviating.map(\.0))],
        // A run that trusts the manifest would change nothing.
        actions: [.run(damagedKernels.contains(planned.kernel) ? "pve-sb-uki apply --force" : Self.apply)]))
  }

  private func state(
    of planned: PlannedKernel, on esp: ESPPlan, among images: [PresentImage]
  ) -> Status.Kernel.State {
    if planned.isUnusable { return .unusable }
    if planned.isWaitingForKey { return .waiting }
    if planned.hasLostInitrd, images.contains(where: { $0.name == planned.uki && $0.isOurs }) { return .kept }
    if esp.current.contains(planned.kernel) { return .current }
    guard let image = images.first(where: { $0.name == planned.uki }) else { return .missing }
    return image.isOurs ? .stale : .changed
  }

  private mutating func describeTrust() throws {
    let database = try TrustDatabase(readingFrom: host)
    report.notes += database.ignoredEntries
    report.secureBoot = database.secureBootEnabled.map { $0 ? "on" : database.setupMode == true ? "setup mode" : "off" }
    guard let own = observation.certificate else { return }
    report.certificate = own.subject
    if let warning = observation.certificateWarning { report.notes.removeAll { $0 == warning.note } }
    report.certificateEnd = own.notAfter.map { CalendarDate(seconds: $0).description }
    guard database.secureBootEnabled != nil else { return }
    guard let trust = plan.chain?.trust else { return }
    switch trust {
    case .accepted(let reason):
      report.isTrusted = true
      report.trustReason = reason
    case .refused(let reason, _):
      report.isTrusted = false
      report.trustReason = reason
    }
  }

  private mutating func describeEntries() {
    for esp in plan.esps where !esp.loaders.isEmpty && report.kernels.allSatisfy(\.isCurrent) {
      let names = esp.loaders.map(\.path).joined(separator: ", ")
      report.find(
        Finding(
          .loaderOutdated, "\(esp.name): \(names) is missing or outdated",
          arguments: ["partition": .string(esp.name), "files": JSONValue(esp.loaders.map(\.path))],
          actions: [.run(Self.apply)]))
    }
    guard plan.entries != nil else { return }
    report.entries = try? BootList().run(on: host)
    let steps = plan.entrySteps
    if plan.isChange, !plan.isMoreThanCleanup {
      report.notes.append("pve-sb-uki apply removes unneeded boot entries")
      return
    }
    guard !steps.isEmpty, report.kernels.allSatisfy({ $0.isCurrent || $0.states.allSatisfy { $0.state == .kept } })
    else { return }
    report.find(
      Finding(
        .bootEntriesOutdated, "the boot entries need an update (\(steps.joined(separator: "; ")))",
        arguments: ["steps": JSONValue(steps)], actions: [.run(Self.apply)]))
  }

  private mutating func describeModules() {
    if !plan.moduleSigning.isEmpty {
      report.find(
        Finding(.dkmsOutdated, "the configuration of dkms does not match Dkms=", actions: [.run(Self.apply)]))
    }
    let modules = ModuleFindings(
      of: report.kernels.map(\.release), own: observation.certificate,
      signsModules: observation.configuration.signsModules, on: host)
    report.modules = modules.modules
    for finding in modules.findings { report.find(finding) }
  }

  private mutating func describeStartup(isQuick: Bool) {
    let startup = StartupReport(observation, plan, on: host, isQuick: isQuick)
    // A UKI that is rebuilt anyway gets the configured command line.
    let outdated = Set(report.kernels.filter { !$0.isCurrent }.map(\.release))
    for finding in startup.findings {
      let kernel = finding.arguments.first { $0.name == "kernel" }?.value.string
      if finding.kind == .commandLineDiffers, kernel.map(outdated.contains) == true { continue }
      report.find(finding)
    }
    report.images = startup.results.map { result in
      Status.Image(
        kernel: result.kernel.release, name: result.uki?.fileName ?? result.name,
        isPrevious: result.uki?.isPrevious ?? false, usage: result.usage)
    }
    describeSize(startup)
  }

  /// Advises the change that makes the preferred UKI smaller by the most.
  private mutating func describeSize(_ startup: StartupReport) {
    guard let first = startup.results.first(where: { $0.uki?.isPrevious == false }) else { return }
    do {
      let rate = report.boots.reversed().lazy.compactMap(\.loadingRate).first
      if let advice = try SizeAdvice(for: first, rate: rate, on: host) { report.find(advice.finding) }
    } catch {
      report.find(Finding(.remark, Failure(of: "the size of the UKI", error)))
    }
  }

  /// Follows the boot paths; a machine without firmware variables has none.
  private mutating func describePaths() {
    guard let names = try? host.variables.names(), !names.isEmpty else { return }
    do {
      var options = BootPathSurvey.Options()
      options.damaged = observation.damaged.map { ($0.esp, $0.name.path) }
      let survey = try BootPathSurvey(of: host, observation.survey, options: options)
      report.paths = survey.preparations + survey.paths
      for var finding in survey.findings {
        // The way to this report.
        finding.actions.removeAll { $0 == .run(Message(verbatim: "pve-sb-uki status")) }
        report.find(finding)
      }
      report.reboot = RebootVerdict(survey, findings: report.findings)
    } catch {
      report.find(Finding(.workFailed, Failure(of: "the boot paths", error)))
    }
  }

  /// Reports recent repairs: repeated ones are a sign of a failing disk.
  private mutating func describeRepairs() {
    let recent = RepairRecord.load(from: host.files).filter { host.now() - $0.time < 30 * 86_400 }
    guard let last = recent.last else { return }
    let time = CalendarDate(seconds: last.time).description
    report.notes.append(
      recent.count > 1
        ? "repaired at \(time): \(last.message) (\(recent.count) repairs in 30 days)"
        : "repaired at \(time): \(last.message)")
  }

  /// Reports the failure of the last run while its cause exists or its work is pending.
  private mutating func describeLastFailure() throws {
    let hasPendingWork = (try? PendingWork.load(from: host.files)).flatMap { $0 } != nil
    guard let record = try FailureRecord.load(from: host.files)?.lasting(in: plan, hasPendingWork: hasPendingWork)
    else { return }
    report.lastFailure = (CalendarDate(seconds: record.time).description, record.messages)
    report.find(
      Finding(
        .workFailed, "the last run failed: \(record.messages.joined(separator: "; "))", actions: [.run(Self.apply)]))
  }

  /// The first command of a finding that needs attention, otherwise the first instruction.
  private mutating func chooseNextStep() {
    let pressing = report.findings.filter { $0.severity > .note }
    let repairs = observation.survey.problems.compactMap(\.repair)
    let command =
      repairs.isEmpty
      ? pressing.lazy.compactMap(\.command).first
      : Message(verbatim: (repairs + ["pve-sb-uki apply"]).joined(separator: " && "))
    report.isNextCommand = command != nil
    report.nextStep = command ?? pressing.lazy.compactMap { $0.actions.first?.text }.first
  }
}
