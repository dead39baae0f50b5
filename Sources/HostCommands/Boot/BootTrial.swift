// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
package import Messages
package import Reconcile
internal import SecureBoot

/// `pve-sb-uki boot trial`: has the next boot try a UKI, or test that a dead boot restarts the machine.
///
/// It only leaves a request; `Apply` acts on it.
package struct BootTrial: Sendable {
  /// How long to wait for another run to end, in seconds.
  package var lockTimeout = 120

  package init() {}

  /// What was requested.
  package struct Request: Sendable {
    /// Release of its kernel.
    package var kernel: String
    /// What is tested with it; nil for a trial of the UKI.
    package var test: ResetTest?
  }

  /// Requests a trial of the kernel's UKI, or of the one that waits for it if `release` is nil.
  ///
  /// Throws `Failure` if trials are off, if the kernel has no UKI, or if no UKI waits for a trial.
  package func request(_ release: String?, on host: Host) throws -> Request {
    try leave(on: host) { assessment in
      let names = Set(assessment.observation.contents.values.flatMap(\.own))
      guard let release else {
        guard let name = assessment.plan.waitingForTrial else {
          throw Failure(
            "no UKI waits for a trial: the one that boots first is known to boot",
            hint: "name a kernel: pve-sb-uki boot trial KERNEL")
        }
        return (name, nil)
      }
      guard let kernel = Kernel(release: release), names.contains(UKIName(kernel)) else {
        throw Failure("kernel \(release) has no UKI", hint: "run 'pve-sb-uki apply', or name another kernel")
      }
      return (UKIName(kernel), nil)
    }
  }

  /// Requests the first test that was not passed yet, with the UKI that was booted last.
  ///
  /// Returns nil if all were passed. Throws `Failure` if trials are off, or if this boot is not confirmed.
  package func requestTest(on host: Host) throws -> Request? {
    let report = SelfTest(on: host)
    guard let test = report.next else { return nil }
    return try leave(on: host) { assessment in
      guard assessment.observation.trial.isConfirmed, let name = assessment.plan.bootedImage else {
        throw Failure(
          "this boot is not confirmed, so the UKI to come back to is not known",
          hint: """
            boot one of pve-sb-uki's UKIs, wait until 'systemctl status pve-sb-uki-boot-ok' says that this \
            boot is confirmed, and try again
            """)
      }
      return (name, test)
    }
  }

  private func leave(
    on host: Host, _ choose: (borrowing Assessment) throws -> (UKIName, ResetTest?)
  ) throws -> Request {
    let lock = try host.files.lock(Apply.lockPath, waitingAtMost: lockTimeout)
    return try withExtendedLifetime(lock) {
      switch try Readiness(of: host) {
      case .skip(let reason): throw Failure(reason.message, hint: reason.hint)
      case .ready(let configuration, let survey):
        guard configuration.promotion == .trial else {
          throw Failure(
            "Promotion=immediate: new UKIs boot first at once, and have no trial",
            hint: "run 'pve-sb-uki config set Promotion trial', then 'pve-sb-uki apply'")
        }
        var options = ApplyOptions()
        options.isDryRun = true
        options.reading = .none
        let assessment = try Assessment(of: host, configuration: configuration, survey: survey, options: options)
        if case .refused(let reason, let hint) = assessment.plan.chain?.trust {
          throw Failure("this machine would reject the UKI: \(reason)", hint: hint)
        }
        let (name, test) = try choose(assessment)
        var record = assessment.observation.trial.record
        record.request = name
        record.requestedTest = test
        // The firmware may have been updated: it gets another chance.
        record.firmware = nil
        try record.save(to: host.files)
        return Request(kernel: name.kernel.release, test: test)
      }
    }
  }
}

/// How much of `boot trial --self-test` was done.
package struct SelfTest: Sendable {
  package enum State: Sendable {
    case passed(time: Int64)
    /// The machine came back, but so late that a person may have restarted it.
    case late(time: Int64)
    case open
    /// This host has nothing to test.
    case unavailable(Message)
  }

  /// In the order in which they are made.
  package let tests: [(test: ResetTest, state: State)]

  /// Reads the state of the host.
  package init(on host: Host) {
    let record = TrialRecord.load(from: host.files)
    let configuration = (try? Configuration(of: host.files)) ?? Configuration()
    let hasMux = (try? host.files.exists("/lib/systemd/system/watchdog-mux.service")) == true
    let hasProfiles = (try? ImageVariants.stubHasProfiles(on: host)) == true
    tests = ResetTest.allCases.map { test in
      if test == .watchdog {
        if configuration.watchdog == nil { return (test, .unavailable("Watchdog= names no module")) }
        if !hasProfiles {
          return (test, .unavailable("the EFI stub is older than systemd 257, so the watchdog only covers the initrd"))
        }
        if hasMux { return (test, .unavailable("watchdog-mux of Proxmox VE has the watchdog once the initrd is left")) }
      }
      if let time = record.passed[test] { return (test, .passed(time: time)) }
      if let time = record.late[test] { return (test, .late(time: time)) }
      return (test, .open)
    }
  }

  /// The first test that was not passed yet.
  package var next: ResetTest? {
    tests.first { _, state in
      switch state {
      case .open, .late: true
      default: false
      }
    }?.test
  }
}
