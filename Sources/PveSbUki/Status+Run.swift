// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
package import HostSystem
internal import Messages
internal import SecureBoot

extension Status {
  /// Looks at everything and changes nothing. Throws for settings that cannot be understood, as `apply` does.
  package func run(on host: Host) throws -> Report {
    var report = Report()
    var options = Apply()
    options.isDryRun = true
    options.reading = isQuick ? .none : .all
    let ground = try Apply.ground(of: host)
    if case .obstacle(let obstacle) = ground {
      report.obstacle = obstacle
      report.nextStep = obstacle.hint
    }
    guard case .ready(let configuration, let survey) = ground else { return report }
    var planner = try Planner(options, host, configuration, survey)
    try planner.make()
    report.notes = planner.plan.notes
    if isQuick { report.notes.append("the content of images was not read (--quick)") }
    report.problems = planner.plan.failures
    report.chain = planner.plan.chain
    report.describeCommandLines(planner)
    report.describePartitions(planner)
    report.describeKernels(planner)
    try report.describeTrust(planner)
    report.describeEntries(planner)
    report.signsModules = configuration.signsModules
    if !planner.plan.moduleSigning.isEmpty {
      report.problems.append(
        Failure("dkms is not told of the signing key as Dkms= says", hint: "pve-sb-uki apply"))
    }
    report.describeRepairs(host)
    try report.describePast(host, planner)
    report.chooseNextStep(planner)
    return report
  }
}

extension Status.Report {
  /// What a line is said to lack is no problem where this machine runs with it.
  fileprivate mutating func describeCommandLines(_ planner: Planner) {
    let running = planner.host.isRunningSystem ? try? CommandLine.running(in: planner.host.files) : nil
    for remark in planner.lineRemarks {
      let isProven = running.map { WordDifference(from: $0, to: remark.line.text).isEmpty } ?? false
      if remark.finding.severity == .warning {
        notes.append(remark.message)
      } else if !isProven {
        notes.removeAll { $0 == remark.message }
        problems.append(Failure(remark.message, hint: "pve-sb-uki cmdline edit"))
      }
    }
  }

  fileprivate mutating func describePartitions(_ planner: Planner) {
    partitions = planner.survey.partitions.map { partition in
      let free = planner.states[partition.name]?.free
      return Status.Partition(name: partition.name, free: free, problem: free == nil ? "cannot be read" : nil)
    }
    partitions += planner.survey.problems.map { problem in
      Status.Partition(name: problem.name, free: nil, problem: problem.message)
    }
    for partition in planner.survey.partitions where partition.blemish != nil {
      problems.append(
        Failure("\(partition.name) was not unmounted after it was last written to", hint: "pve-sb-uki apply"))
    }
  }

  fileprivate mutating func describeKernels(_ planner: Planner) {
    for wanted in planner.plan.kernels {
      let states = planner.plan.partitions.map { partition in
        (partition.name, state(of: wanted, on: partition, planner.states[partition.name]?.images ?? []))
      }
      let kernel = Status.Kernel(
        release: wanted.release, isRunning: wanted.release == planner.runningRelease, reasons: wanted.reasonNames,
        reasonWords: wanted.reasonWords,
        states: states)
      kernels.append(kernel)
      guard !kernel.isCurrent, !wanted.isUnusable else { continue }
      let odd = states.filter { $0.1 != .current && $0.1 != .kept }
      guard !odd.isEmpty else { continue }
      let places = odd.map { "\($0.1.word) on \($0.0)" as Message }
      let isDamaged = planner.damagedWanted.contains(wanted.kernel)
      problems.append(
        Failure(
          "the image of kernel \(wanted.release) is \(places.joined(separator: ", "))",
          // A run that trusts the manifest would find nothing to do.
          hint: isDamaged ? "pve-sb-uki apply --force" : "pve-sb-uki apply"))
    }
    for (partition, name) in planner.damaged where name.isPrevious || !planner.damagedWanted.contains(name.kernel) {
      notes.append("\(name.path.dropFirst()) on \(partition) is damaged, and not needed")
    }
  }

  private func state(
    of wanted: Plan.Kernel, on partition: Plan.Partition, _ images: [PresentImage]
  ) -> Status.Kernel.State {
    if wanted.isUnusable { return .unusable }
    if wanted.isStanding, images.contains(where: { $0.name == ImageName(wanted.kernel) && $0.isOurs }) { return .kept }
    if partition.images.current.contains(wanted.kernel) { return .current }
    guard let image = images.first(where: { $0.name == ImageName(wanted.kernel) }) else { return .missing }
    return image.isOurs ? .stale : .changed
  }

  fileprivate mutating func describeTrust(_ planner: Planner) throws {
    let database = try TrustDatabase(readingFrom: planner.host)
    secureBoot = database.secureBootEnabled.map { $0 ? "on" : database.setupMode == true ? "setup mode" : "off" }
    guard let own = planner.certificate else { return }
    certificate = own.subject
    ownCertificate = own
    certificateEnd = own.notAfter.map { CalendarDate(seconds: $0).description }
    guard database.secureBootEnabled != nil else { return }
    guard let trust = planner.decision?.trust else { return }
    switch trust {
    case .accepted(let reason):
      isTrusted = true
      trustReason = reason
    case .refused(let reason, let hint):
      isTrusted = false
      trustReason = reason
      problems.append(Failure("this machine would not start our images: \(reason)", hint: hint))
    }
  }

  fileprivate mutating func describeEntries(_ planner: Planner) {
    for partition in planner.plan.partitions where !partition.loaders.steps.isEmpty && kernels.allSatisfy(\.isCurrent) {
      let names = partition.loaders.steps.map(\.path).joined(separator: ", ")
      problems.append(Failure("\(partition.name): \(names) is not as it should be", hint: "pve-sb-uki apply"))
    }
    guard planner.entryPlanner != nil else { return }
    entries = try? BootList().run(on: planner.host)
    let steps = planner.plan.entrySteps
    if planner.plan.isChange, !planner.plan.isPressing {
      notes.append("pve-sb-uki apply removes boot entries that are no longer needed")
      return
    }
    guard !steps.isEmpty, kernels.allSatisfy({ $0.isCurrent || $0.states.allSatisfy { $0.state == .kept } }) else {
      return
    }
    problems.append(
      Failure("the boot entries are not as they should be (\(steps.joined(separator: "; ")))", hint: "pve-sb-uki apply")
    )
  }

  /// A partition that has to be mended again and again is on a disk that fails.
  fileprivate mutating func describeRepairs(_ host: Host) {
    let recent = RepairRecord.load(from: host.files).filter { host.now() - $0.time < 30 * 86_400 }
    guard let last = recent.last else { return }
    let time = CalendarDate(seconds: last.time).description
    notes.append(
      recent.count > 1
        ? "mended at \(time): \(last.message) (\(recent.count) repairs in 30 days)"
        : "mended at \(time): \(last.message)")
  }

  /// What a run failed at is a problem as long as it can be seen, or as long as work is still put off.
  fileprivate mutating func describePast(_ host: Host, _ planner: Planner) throws {
    guard let record = try FailureRecord.load(from: host.files) else { return }
    let isPutOff = (try? PendingWork.load(from: host.files)).flatMap { $0 } != nil
    guard !problems.isEmpty || planner.plan.isPressing || isPutOff else { return }
    lastFailure = (CalendarDate(seconds: record.time).description, record.messages)
    if problems.isEmpty {
      problems.append(
        Failure("the last run failed: \(record.messages.joined(separator: "; "))", hint: "pve-sb-uki apply"))
    }
  }

  fileprivate mutating func chooseNextStep(_ planner: Planner) {
    guard needsAttention else { return }
    let repairs = planner.survey.problems.compactMap(\.repair)
    if !repairs.isEmpty {
      nextStep = Message(verbatim: (repairs + ["pve-sb-uki apply"]).joined(separator: "; "))
    } else if !planner.damagedWanted.isEmpty {
      nextStep = "pve-sb-uki apply --force"
    } else {
      nextStep = planner.plan.isChange ? "pve-sb-uki apply" : problems.lazy.compactMap(\.hint).first
    }
  }
}
