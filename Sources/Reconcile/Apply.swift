// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import HostSystem
internal import Messages

/// `pve-sb-uki apply`: makes every ESP hold a signed UKI for every wanted kernel, and does the least for it.
///
/// Three steps, each of which hands a value to the next: `HostObservation` is what there is, `ApplyPlan` what is to be
/// done about it, `ApplyReport` what was done. A second run finds by stat(2) alone that nothing changed and writes
/// nothing.
package enum Apply {
  package static let lockPath = "/run/pve-sb-uki/lock"

  /// Reconciles.
  ///
  /// What concerns one kernel is in the report; what stops the whole run is thrown. Either is kept in `FailureRecord`
  /// until a run succeeds, unless somebody chose kernels and so looks at what becomes of them.
  package static func run(_ options: ApplyOptions = ApplyOptions(), on host: Host) throws -> ApplyReport {
    do {
      return try reconcile(host, options)
    } catch {
      if options.isRemembered {
        try? FailureRecord(time: host.now(), messages: [FailureRecord.line(error)]).save(to: host.files)
      }
      throw error
    }
  }

  /// `Strict=yes`: a kernel package shall fail to configure when its image cannot be made.
  ///
  /// No if the settings are wrong themselves.
  package static func isStrict(on host: Host) -> Bool { (try? Configuration(of: host.files))?.isStrict ?? false }

  private static func reconcile(_ host: Host, _ options: ApplyOptions) throws -> ApplyReport {
    // Where there is nothing to do nothing is written, not even a lock.
    if case .skip(let reason) = try Readiness(of: host) { return ApplyReport(skipped: reason) }
    let lock = try options.isDryRun ? nil : host.files.lock(lockPath, waitingAtMost: options.lockTimeout)
    return try withExtendedLifetime(lock) {
      // Anew: what held the lock, or made somebody wait for it, may have changed it.
      switch try Readiness(of: host) {
      case .skip(let reason): return ApplyReport(skipped: reason)
      case .ready(let configuration, let survey):
        return try reconcile(host, options: options, configuration: configuration, survey: survey)
      }
    }
  }

  private static func reconcile(
    _ host: Host, options: ApplyOptions, configuration: Configuration, survey found: ESPSurvey
  ) throws -> ApplyReport {
    if options.isDryRun {
      return ApplyReport(
        foreseenBy: try Foresight(of: host, configuration: configuration, survey: found, options: options).plan)
    }
    var survey = found
    var mending = ESPMending(host)
    mending.mendDirty(&survey)
    var foresight = try Foresight(of: host, configuration: configuration, survey: survey, options: options)
    if mending.secureRemovals(&foresight, &survey) {
      foresight = try Foresight(of: host, configuration: configuration, survey: survey, options: options)
    }
    var report = PlanExecutor.execute(foresight.plan, on: host)
    mending.tell(&report)
    if options.isRemembered {
      do {
        try FailureRecord.keep(report.failures, at: host.now(), in: host.files)
      } catch {
        report.failures.append(Failure(FailureRecord.path, error))
      }
    }
    return report
  }
}

/// What there is on a host, and what is to be done about it.
///
/// Nothing was written to find out.
package struct Foresight: ~Copyable, Sendable {
  package let observation: HostObservation
  package internal(set) var plan: ApplyPlan

  /// Observes and plans.
  ///
  /// Where a plan takes an image away, those that stay are read whole first: what was taken for an image and is damaged
  /// makes another plan. Throws what stops the whole run.
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
