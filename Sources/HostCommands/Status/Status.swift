// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
package import Cryptography
package import HostSystem
package import Messages
package import Reconcile
internal import SecureBoot
internal import SigningKeys

/// `pve-sb-uki status`: reports whether this machine boots as intended and, if not, what to do next.
///
/// Changes nothing.
package struct Status: Sendable {
  /// Whether to trust the manifest and not read the UKIs.
  package var isQuick = false

  package init() {}

  package struct ESP: Sendable {
    /// Volume serial number, or the path where it is mounted.
    package var name: String
    /// Free space in bytes; nil if it cannot be read.
    package var free: Int?
    /// The problem with it; nil if there is none.
    package var problem: Message?
  }

  package struct Kernel: Sendable {
    package enum State: String, Sendable {
      /// The UKI is up to date.
      case current = "current"
      /// The UKI is intact, but one of its inputs has changed since.
      case stale = "stale"
      /// There is no UKI.
      case missing = "missing"
      /// The UKI is damaged, or was changed or made by another program.
      case changed = "changed"
      /// No UKI can be built.
      case unusable = "unusable"
      /// The UKI exists and boots, but its kernel has lost its initrd.
      case kept = "kept"

      /// The state as the rest of a sentence.
      package var word: Message {
        switch self {
        case .current: "current"
        case .stale: "stale"
        case .missing: "missing"
        case .changed: "changed"
        case .unusable: "unusable"
        case .kept: "kept, without its initrd"
        }
      }
    }

    package var release: String
    package var isRunning: Bool
    /// Why it has a UKI, the most important reason first.
    package var reasons: [String]
    /// The same as messages.
    package var reasonWords: [Message]
    /// By ESP, in their order.
    package var states: [(esp: String, state: State)]

    /// Whether the UKI is current on all ESPs.
    package var isCurrent: Bool { states.allSatisfy { $0.state == .current } }
  }

  package struct Report: Sendable {
    /// Why pve-sb-uki does nothing on this host; nil if it is active.
    package var skipReason: SkipReason?
    /// `on`, `off`, `setup mode`; nil if the firmware does not report it.
    package var secureBoot: Message?
    /// Subject of the certificate in use; nil if it cannot be read.
    package var certificate: String?
    /// The certificate itself, as `certificate`.
    package internal(set) var ownCertificate: Certificate?
    /// When the certificate expires, such as `2036-11-21 05:24:17 UTC`.
    package var certificateEnd: String?
    /// Whether this machine starts UKIs that are signed with it; nil if unknown.
    package var isTrusted: Bool?
    /// The reason, as a sentence.
    package var trustReason: Message?
    /// As `ApplyPlan.chainName`.
    package var chain: String?
    package var esps: [ESP] = []
    /// In order of precedence.
    package var kernels: [Kernel] = []
    /// Boot entries in boot order; nil if none can be created.
    package var entries: BootList.Result?
    /// `Dkms=yes`.
    package internal(set) var signsModules = false
    /// Time and messages of the last failed run.
    package var lastFailure: (time: String, messages: [String])?
    /// Problems, one sentence each.
    package var problems: [Failure] = []
    /// Notes that require no action, one sentence each.
    package var notes: [Message] = []
    /// What to do next; nil if nothing has to be done.
    package var nextStep: Message?

    /// Adds problems that the caller found.
    package mutating func add(_ failures: [Failure]) {
      problems += failures
      if nextStep == nil { nextStep = failures.lazy.compactMap(\.hint).first }
    }

    package var needsAttention: Bool { !problems.isEmpty || skipReason?.hint != nil }
  }
}

extension Status {
  /// Checks everything and changes nothing.
  ///
  /// Throws for invalid settings, like `apply`.
  package func run(on host: Host) throws -> Report {
    var report = Report()
    switch try Readiness(of: host) {
    case .skip(let reason):
      report.skipReason = reason
      report.nextStep = reason.hint
    case .ready(let configuration, let survey):
      var options = ApplyOptions()
      options.isDryRun = true
      options.reading = isQuick ? .none : .all
      let assessment = try Assessment(of: host, configuration: configuration, survey: survey, options: options)
      var reporter = StatusReporter(host, assessment)
      try reporter.describe(isQuick: isQuick)
      report = reporter.report
    }
    return report
  }
}

/// Builds a report from an observation and its plan.
private struct StatusReporter: ~Copyable {
  private let host: Host
  private let observation: HostObservation
  private let plan: ApplyPlan
  private(set) var report = Status.Report()

  init(_ host: Host, _ assessment: borrowing Assessment) {
    self.host = host
    observation = assessment.observation
    plan = assessment.plan
  }

  mutating func describe(isQuick: Bool) throws {
    report.notes = plan.notes
    if isQuick { report.notes.append("UKIs were not read (--quick)") }
    report.problems = plan.failures
    report.chain = plan.chainName
    describeCommandLines()
    describeExposures()
    describeESPs()
    describeKernels()
    try describeTrust()
    describeEntries()
    report.signsModules = observation.configuration.signsModules
    if !plan.moduleSigning.isEmpty {
      report.problems.append(
        Failure("the configuration of dkms does not match Dkms=", hint: "pve-sb-uki apply"))
    }
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
        report.notes.removeAll { $0 == found.message }
        report.problems.removeAll { $0.message == found.message }
        report.problems.append(Failure(found.message, hint: "pve-sb-uki cmdline edit"))
      }
    }
  }

  /// Secrets that other users can read are problems; `apply` only notes them, since the machine boots.
  private mutating func describeExposures() {
    for exposure in observation.exposures {
      report.notes.removeAll { $0 == exposure.withHint }
      report.problems.append(exposure)
    }
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
      report.problems.append(
        Failure("\(esp.name) was not unmounted after the last write", hint: "pve-sb-uki apply"))
    }
  }

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
      guard !kernel.isCurrent, !planned.isUnusable else { continue }
      let deviating = states.filter { $0.1 != .current && $0.1 != .kept }
      guard !deviating.isEmpty else { continue }
      let places = deviating.map { "\($0.1.word) on \($0.0)" as Message }
      let isDamaged = damagedKernels.contains(planned.kernel)
      report.problems.append(
        Failure(
          "the UKI of kernel \(planned.release) is \(places.joined(separator: ", "))",
          // A run that trusts the manifest would change nothing.
          hint: isDamaged ? "pve-sb-uki apply --force" : "pve-sb-uki apply"))
    }
    for (esp, name) in observation.damaged where name.isPrevious || !damagedKernels.contains(name.kernel) {
      report.notes.append("\(name.path.dropFirst()) on \(esp) is damaged but not needed")
    }
  }

  private func state(
    of planned: PlannedKernel, on esp: ESPPlan, among images: [PresentImage]
  ) -> Status.Kernel.State {
    if planned.isUnusable { return .unusable }
    if planned.hasLostInitrd, images.contains(where: { $0.name == planned.uki && $0.isOurs }) { return .kept }
    if esp.current.contains(planned.kernel) { return .current }
    guard let image = images.first(where: { $0.name == planned.uki }) else { return .missing }
    return image.isOurs ? .stale : .changed
  }

  private mutating func describeTrust() throws {
    let database = try TrustDatabase(readingFrom: host)
    report.notes += database.ignoredEntries
    if let warning = host.clockWarning { report.problems.append(warning) }
    report.secureBoot = database.secureBootEnabled.map { $0 ? "on" : database.setupMode == true ? "setup mode" : "off" }
    guard let own = observation.certificate else { return }
    report.certificate = own.subject
    report.ownCertificate = own
    if let warning = observation.certificateWarning {
      report.notes.removeAll { $0 == warning.note }
      report.problems.append(warning)
    }
    report.certificateEnd = own.notAfter.map { CalendarDate(seconds: $0).description }
    guard database.secureBootEnabled != nil else { return }
    guard let trust = plan.chain?.trust else { return }
    switch trust {
    case .accepted(let reason):
      report.isTrusted = true
      report.trustReason = reason
    case .refused(let reason, let hint):
      report.isTrusted = false
      report.trustReason = reason
      report.problems.append(Failure("this machine rejects UKIs signed with this key: \(reason)", hint: hint))
    }
  }

  private mutating func describeEntries() {
    for esp in plan.esps where !esp.loaders.isEmpty && report.kernels.allSatisfy(\.isCurrent) {
      let names = esp.loaders.map(\.path).joined(separator: ", ")
      report.problems.append(Failure("\(esp.name): \(names) is missing or outdated", hint: "pve-sb-uki apply"))
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
    report.problems.append(
      Failure("the boot entries need an update (\(steps.joined(separator: "; ")))", hint: "pve-sb-uki apply")
    )
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

  /// Reports the failure of the last run while a problem persists or work is pending.
  private mutating func describeLastFailure() throws {
    guard let record = try FailureRecord.load(from: host.files) else { return }
    let isPutOff = (try? PendingWork.load(from: host.files)).flatMap { $0 } != nil
    guard !report.problems.isEmpty || plan.isMoreThanCleanup || isPutOff else { return }
    report.lastFailure = (CalendarDate(seconds: record.time).description, record.messages)
    if report.problems.isEmpty {
      report.problems.append(
        Failure("the last run failed: \(record.messages.joined(separator: "; "))", hint: "pve-sb-uki apply"))
    }
  }

  private mutating func chooseNextStep() {
    guard report.needsAttention else { return }
    let repairs = observation.survey.problems.compactMap(\.repair)
    if !repairs.isEmpty {
      report.nextStep = Message(verbatim: (repairs + ["pve-sb-uki apply"]).joined(separator: "; "))
    } else if !damagedKernels.isEmpty {
      report.nextStep = "pve-sb-uki apply --force"
    } else {
      report.nextStep = plan.isChange ? "pve-sb-uki apply" : report.problems.lazy.compactMap(\.hint).first
    }
  }
}
