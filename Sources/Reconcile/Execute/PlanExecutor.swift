// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import Messages

/// Executes a plan, one ESP at a time, and keeps the manifest correct at every step.
final class PlanExecutor {
  private let host: Host
  private let plan: ApplyPlan
  private var images: ImageExecutor
  private var report: ApplyReport
  /// Opened when the first boot loader is written.
  private var loaders: LoaderExecutor?
  /// ESPs on which a boot loader could not be written; their boot entries are left unchanged.
  private var lackingLoader: Set<String>

  /// Executes the plan.
  ///
  /// A failure on one ESP does not affect the others. Work on the next ESP starts only after everything on the previous
  /// one was verified.
  static func execute(_ plan: ApplyPlan, on host: Host) -> ApplyReport {
    let executor = PlanExecutor(plan, host)
    executor.keepDefaultRecord()
    var outcome = plan.outcome
    for esp in plan.esps { outcome[esp.name] = executor.execute(esp) }
    executor.report.remaining = outcome
    executor.collect { $0.saveManifest() }
    executor.makeEntries(outcome)
    executor.setLoaderDefault(outcome)
    executor.removeUnusedLoaders()
    executor.performModuleSigning()
    executor.report.sortImages()
    return executor.report
  }

  private init(_ plan: ApplyPlan, _ host: Host) {
    self.host = host
    self.plan = plan
    images = ImageExecutor(plan, host)
    report = ApplyReport(of: plan)
    lackingLoader = plan.lackingLoader
  }

  /// Runs `body` on the image executor and adds its results to the report.
  private func collect<Value>(_ body: (inout ImageExecutor) throws -> Value) rethrows -> Value {
    defer {
      report.images += images.outcomes
      images.outcomes = []
      for failure in images.failures { fail(failure) }
      images.failures = []
    }
    return try body(&images)
  }

  /// Returns pve-sb-uki's UKIs on the ESP afterwards.
  private func execute(_ esp: ESPPlan) -> [UKIName] {
    report.images += esp.knownOutcomes(plan)
    guard esp.isChangeBeforeEntries else { return esp.images.outcome }
    do {
      return try images.open.write(to: esp.target) { files in
        var work = ESPWork(esp, files)
        collect { $0.execute(esp.images.steps, &work) }
        execute(esp, work)
        removeStaged(esp, files)
        return Array(work.images)
      }
    } catch {
      fail(Failure(esp.name, error))
      for kernel in esp.images.written { report.images.append(ImageOutcome(kernel, on: esp.name, state: .failed)) }
      return esp.present
    }
  }

  /// Writes the boot loaders after the UKIs, then removes the entries that these replace.
  private func execute(_ esp: ESPPlan, _ work: ESPWork) {
    for step in esp.loaders {
      // If the UKI could not be written, this would copy the old one.
      if case .image = step.source, esp.images.written.contains(where: { !work.inPlace.contains($0) }) { continue }
      do {
        if loaders == nil { loaders = try LoaderExecutor(plan, host) }
        try loaders?.execute(step, on: work.files) { try images.signingIdentity() }
        report.loaders.append("\(esp.name): \(step.path.dropFirst())")
      } catch {
        lackingLoader.insert(esp.name)
        fail(Failure(of: "\(esp.name): \(step.path)", error))
      }
    }
    guard !work.images.isEmpty, !lackingLoader.contains(esp.name) else { return }
    for removal in esp.removals {
      do {
        try TypeOneEntries.perform(removal, on: work.files)
      } catch {
        return fail(Failure(esp.name, error))
      }
    }
  }

  /// Removes the files for the enrolment last: it is the least important.
  private func removeStaged(_ esp: ESPPlan, _ files: FileSystem) {
    guard let message = esp.unstaging else { return }
    do {
      try esp.staged.perform(on: files)
      report.unstaged.append(message)
    } catch {
      fail(Failure(esp.name, error))
    }
  }

  /// Whether all UKIs are on the ESPs as planned, and the firmware rejects only those listed in the plan.
  private func isAsPlanned(_ outcome: [String: [UKIName]]) -> Bool {
    outcome.mapValues(Set.init) == plan.outcome.mapValues(Set.init) && images.refused == plan.refused
  }

  /// Creates the boot entries for the UKIs that exist, and arms the trial.
  private func makeEntries(_ outcome: [String: [UKIName]]) {
    let records = recordsNow(of: outcome)
    var present = BootEntryGoals.Images(
      names: outcome, record: { records[$0]?[$1] }, lacking: lackingLoader, refused: images.refused)
    var result = plan.entryGoals?.plan(for: present)
    var trial = TrialExecutor(plan.lastTrial, requesting: result, on: host)
    do {
      try trial.prepare()
    } catch {
      // The next boot would not know of the trial, so it must not take place.
      fail(Failure(of: "the trial of a UKI", error))
      present.allowsTrial = false
      result = plan.entryGoals?.plan(for: present)
      trial = TrialExecutor(plan.lastTrial, requesting: nil, on: host)
    }
    guard let result else { return }
    let store = host.variables
    let done = BootEntryExecutor.execute(result.entries, on: store)
    report.entries = done.completed.map(\.message)
    for failure in done.failures { fail(Failure(failure.message, hint: failure.hint)) }
    do {
      if let oneShot = result.oneShot, try store.set(oneShot.variable, data: oneShot.data) {
        report.entries.append("set systemd-boot's entry for the next boot (LoaderEntryOneShot)")
      }
    } catch {
      return fail(Failure(of: "systemd-boot's entry for the next boot", error))
    }
    do {
      try trial.conclude(done)
    } catch {
      fail(Failure(of: "the trial of a UKI", error))
    }
  }

  private func recordsNow(of outcome: [String: [UKIName]]) -> [String: [UKIName: ImageRecord]] {
    var records: [String: [UKIName: ImageRecord]] = [:]
    for (esp, names) in outcome {
      for name in names { records[esp, default: [:]][name] = images.record(on: esp, name) }
    }
    return records
  }

  /// Records pve-sb-uki's defaults before setting one, so that they are recognised after a power cut.
  ///
  /// If the current default names a UKI that is about to be removed, it is replaced with one that matches the remaining
  /// UKIs.
  private func keepDefaultRecord() {
    guard let step = plan.loaderDefault else { return }
    do {
      if step.record != LoaderDefaultRecord.load(from: host.files) { try step.record.save(to: host.files) }
      if let interim = step.interim { try LoaderDefault.setVariable(interim, in: host.variables) }
    } catch {
      fail(Failure(of: "systemd-boot's default", error))
    }
  }

  private func setLoaderDefault(_ outcome: [String: [UKIName]]) {
    guard let planned = plan.loaderDefault?.text else { return }
    // The UKI with that name may be missing.
    let text = isAsPlanned(outcome) ? planned : LoaderDefault.pattern
    do {
      try LoaderDefault.setVariable(text, in: host.variables)
      report.entries.append(LoaderDefaultPlan.message(text))
    } catch {
      fail(Failure(of: "systemd-boot's default", error))
    }
  }

  /// Removes the boot loaders of the previous chain, once the boot entries do not lead to them any more.
  private func removeUnusedLoaders() {
    guard report.failures.isEmpty, plan.entryGoals != nil else { return }
    for esp in plan.esps where !esp.unused.isEmpty {
      do {
        try images.open.write(to: esp.target) { files in
          for path in esp.unused {
            try files.remove(path)
            report.removedLoaders.append("\(esp.name): \(path.dropFirst())")
          }
        }
      } catch {
        fail(Failure(esp.name, error))
      }
    }
    guard let record = plan.chain?.correctedRecord, report.failures.isEmpty else { return }
    do {
      try record.save(to: host.files)
    } catch {
      fail(Failure(LoaderDefaultRecord.path, error))
    }
  }

  private func performModuleSigning() {
    for step in plan.moduleSigning {
      do {
        try step.perform(on: host.files)
        report.moduleSigning.append(step.message)
      } catch {
        return fail(Failure(step.path, error))
      }
    }
  }

  private func fail(_ failure: Failure) {
    if !report.failures.contains(failure) { report.failures.append(failure) }
  }
}

/// The state of one ESP while the plan is executed on it.
struct ESPWork {
  let name: String
  /// The ESP, open for writing.
  let files: FileSystem
  /// Kernels whose UKI is known to be correct, including newly written ones.
  var inPlace: [Kernel]
  /// pve-sb-uki's UKIs that are on the ESP now.
  var images: Set<UKIName>
  /// Kernels whose UKI was planned but cannot be built.
  var unusable: Set<Kernel> = []

  init(_ esp: ESPPlan, _ files: FileSystem) {
    name = esp.name
    self.files = files
    inPlace = esp.images.current
    images = Set(esp.present)
  }
}
