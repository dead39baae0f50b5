// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import HostSystem
internal import Messages
internal import SigningKeys

/// `pve-sb-uki apply`: puts a signed UKI for every wanted kernel on every ESP, with as few changes as possible.
///
/// Three steps, each of which passes a value to the next: `HostObservation` is the current state, `ApplyPlan` the
/// changes to make, and `ApplyReport` the changes made. If nothing has changed since the last run, a run only needs
/// stat(2) and writes nothing.
package enum Apply {
  package static let lockPath = "/run/pve-sb-uki/lock"

  /// Reconciles the ESPs and boot entries with the installed kernels.
  ///
  /// Problems with one kernel or one ESP go into the report; a problem that stops the whole run is thrown.
  /// `FailureRecord` keeps both until a run succeeds. A run for selected kernels records nothing: the person who
  /// started it sees the result.
  package static func run(_ options: ApplyOptions = ApplyOptions(), on host: Host) throws -> ApplyReport {
    do {
      return try reconcile(host, options)
    } catch {
      if options.isRemembered {
        try? FailureRecord.keep(error, at: host.now(), in: host.files)
      }
      throw error
    }
  }

  /// Whether `Strict=yes` is set: a kernel package then fails to configure if its UKI cannot be built.
  ///
  /// False if the settings cannot be read.
  package static func isStrict(on host: Host) -> Bool { (try? Configuration(of: host.files))?.isStrict ?? false }

  private static func reconcile(_ host: Host, _ options: ApplyOptions) throws -> ApplyReport {
    // If there is nothing to do, do not even create the lock file.
    if case .skip(let reason) = try Readiness(of: host) {
      // A killed `keys create` has left no keys, but its temporary files.
      if reason == .noKeys || reason == .noESP, !options.isDryRun { _ = HostLeftovers.sweep(host.files) }
      return ApplyReport(skipped: reason)
    }
    if host.passphrases.mayAsk { try unlockKey(on: host, options) }
    var host = host
    host.passphrases.mayAsk = false
    let lock = try options.isDryRun ? nil : host.files.lock(lockPath, waitingAtMost: options.lockTimeout)
    return try withExtendedLifetime(lock) {
      // Check again: the run that held the lock may have changed the host.
      let view = host.remembering()
      switch try Readiness(of: view) {
      case .skip(let reason): return ApplyReport(skipped: reason)
      case .ready(let configuration, let survey):
        return try reconcile(host, seenAs: view, options: options, configuration: configuration, survey: survey)
      }
    }
  }

  /// Asks for the passphrase of the key if anything waits for it: before the first change, and while no other run has to
  /// wait for this one.
  ///
  /// Throws `Failure` if the answers are wrong.
  private static func unlockKey(on host: Host, _ options: ApplyOptions) throws {
    guard !options.isDryRun, case .ready(let configuration, let survey) = try Readiness(of: host) else { return }
    var (silent, options) = (host, options)
    silent.passphrases.mayAsk = false
    options.reading = .none
    let assessment = try Assessment(of: silent, configuration: configuration, survey: survey, options: options)
    guard assessment.plan.keyAbsence?.reason == .locked, !assessment.plan.keyFailures.isEmpty else { return }
    _ = try configuration.signingKey.load(from: host)
  }

  /// `view` remembers what was read to decide that the host is ready.
  private static func reconcile(
    _ host: Host, seenAs view: Host, options: ApplyOptions, configuration: Configuration, survey found: ESPSurvey
  ) throws -> ApplyReport {
    if options.isDryRun {
      return ApplyReport(
        dryRunOf: try Assessment(of: view, configuration: configuration, survey: found, options: options).plan)
    }
    let unswept = HostLeftovers.sweep(view.files, configuration)
    var survey = found
    var mending = ESPMending(host)
    let isDirty = survey.esps.contains { $0.uncleanState != nil }
    mending.mendDirty(&survey)
    // Repairs change ESPs.
    var assessment = try Assessment(
      of: isDirty ? host : view, configuration: configuration, survey: survey, options: options)
    // Repairs invalidate the plan, and the new plan may change an ESP that was not checked yet.
    while mending.secureRemovals(&assessment, &survey) {
      assessment = try Assessment(of: host, configuration: configuration, survey: survey, options: options)
    }
    var report = PlanExecutor.execute(assessment.plan, on: host)
    mending.addResults(to: &report)
    report.failures += unswept
    if options.isRemembered {
      do {
        try FailureRecord.keep(
          report.failures, foreseen: report.plan?.failures ?? [], at: host.now(), in: host.files)
      } catch {
        report.failures.append(Failure(FailureRecord.path, error))
      }
    }
    return report
  }
}

/// An observation of a host and the plan that was made from it.
///
/// Creating it writes nothing.
package struct Assessment: ~Copyable, Sendable {
  package let observation: HostObservation
  package internal(set) var plan: ApplyPlan

  /// Observes and plans.
  ///
  /// If the plan removes a UKI from an ESP, the other UKIs on that ESP are first read in full. A damaged one changes
  /// the plan.
  ///
  /// Throws errors that stop the whole run.
  package init(
    of host: Host, configuration: Configuration, survey: ESPSurvey, options: ApplyOptions
  ) throws {
    let observer = try Observer(of: host, configuration: configuration, survey: survey, options: options)
    if options.reading == .all { _ = observer.readImages(on: survey.esps.map(\.name)) }
    var observation = try observer.observe()
    var plan = Planner.plan(observation, options)
    if options.reading == .beforeRemoval {
      while observer.readImages(on: plan.esps.filter(\.losesImage).map(\.name)) {
        observation = try observer.observe()
        plan = Planner.plan(observation, options)
      }
    }
    self.observation = observation
    self.plan = plan
  }
}
