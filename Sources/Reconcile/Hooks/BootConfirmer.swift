// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
internal import Messages

/// pve-sb-uki-boot-ok.service: records how long the boot took, waits until the running system does its work, and confirms
/// its boot.
///
/// Only a confirmed boot makes a UKI known to be good while `Promotion=trial` is set. A boot that tests a way out of a
/// dead boot is never confirmed.
package struct BootConfirmer {
  /// The watchdog's settings for a trial, which the initrd has written.
  static let watchdogSettings = "/run/systemd/system.conf.d/90-pve-sb-uki.conf"
  private static let interval = 2
  private static let proxmoxUnits = ["pve-cluster.service", "pveproxy.service"]

  private let host: Host
  private let configuration: Configuration

  /// Reads the settings.
  ///
  /// Throws `BootEnvironmentError` or `HostError`.
  package init(on host: Host) throws {
    self.host = host
    configuration = try Configuration(of: host.files)
  }

  /// The units that must be active.
  package var units: [String] {
    if !configuration.confirmUnits.isEmpty { return configuration.confirmUnits }
    let present = Self.proxmoxUnits.filter { name in
      ["/lib", "/usr/lib", "/etc"].contains { (try? host.files.exists("\($0)/systemd/system/\(name)")) == true }
    }
    return ["multi-user.target"] + present
  }

  /// Waits and confirms; returns false if there is nothing to confirm.
  ///
  /// It waits as long as it takes: a trial has a deadline of its own. Throws `HostError` or `Failure`.
  package func run() throws -> Bool {
    // Nothing depends on this record.
    try? BootHistory.record(on: host)
    guard configuration.promotion == .trial else { return false }
    guard !BootConfirmation.exists(on: host), TrialBoot.test(on: host) == nil else { return false }
    var seconds = 0
    while seconds < configuration.confirmSeconds || seconds == 0 {
      _ = try host.run("sleep", arguments: ["\(Self.interval)"])
      seconds = try areActive() ? seconds + Self.interval : 0
    }
    try BootConfirmation.write(on: host)
    try releaseWatchdog()
    return true
  }

  private func areActive() throws -> Bool {
    let answer = try host.processes.collect(
      "systemctl", arguments: ["show", "--property=ActiveState", "--value", "--"] + units)
    let states = String(decoding: answer.output, as: UTF8.self).split(separator: "\n")
    return answer.status == 0 && states.count == units.count && states.allSatisfy { $0 == "active" }
  }

  /// Gives the watchdog back to the administrator's settings.
  private func releaseWatchdog() throws {
    guard try host.files.remove(Self.watchdogSettings) else { return }
    _ = try host.run("systemctl", arguments: ["daemon-reload"])
  }
}

/// Whether the running system was started for a trial, as far as can be said before any file system is mounted.
package enum TrialBoot {
  /// The drop-ins of the deadline and of the self-test; the units run only if they exist.
  static let deadlineDropIn = "pve-sb-uki-trial.timer.d/trial.conf"
  static let testDropIn = "pve-sb-uki-self-test.service.d/trial.conf"

  /// The attempt that this boot is; nil if it is an ordinary one.
  package static func attempt(on host: Host) -> TrialRecord.Attempt? {
    guard let attempt = TrialRecord.load(from: host.files).attempt, let bootID = host.bootID,
      bootID != attempt.bootID || attempt.started != nil,
      let evidence = (try? BootEvidence(of: host)).flatMap({ $0 }),
      evidence.imageName?.lowercased() == attempt.name.fileName.lowercased(),
      attempt.profile == nil || evidence.profile == attempt.profile
    else { return nil }
    return attempt.started != nil && bootID != attempt.bootID ? nil : attempt
  }

  /// What this boot tests; nil for all others.
  package static func test(on host: Host) -> ResetTest? { attempt(on: host)?.test }

  /// Called by systemd as a generator (systemd.generator(7)): makes the deadline of a trial, and starts a test.
  ///
  /// `directory` is that for generated units. Throws `HostError`; an unreadable configuration means the default deadline.
  package static func generate(in directory: String, on host: Host) throws {
    guard let attempt = attempt(on: host) else { return }
    let seconds = ((try? Configuration(of: host.files)) ?? Configuration()).trialSeconds
    try write(deadlineDropIn, "[Timer]\nOnBootSec=\nOnBootSec=\(seconds)s\n", in: directory, on: host)
    if attempt.test != nil { try write(testDropIn, "[Service]\n", in: directory, on: host) }
  }

  private static func write(_ name: String, _ text: String, in directory: String, on host: Host) throws {
    let path = PathName.join(directory, name)
    try host.files.makeDirectory(PathName(path).directory)
    try host.files.replaceFile(path, content: Array(text.utf8))
  }

  /// Starts the test for which this boot was made: the machine is expected to restart.
  ///
  /// The record says so before. Throws `HostError`.
  package static func startTest(on host: Host) throws {
    guard var attempt = attempt(on: host), let test = attempt.test, attempt.started == nil, let bootID = host.bootID
    else { return }
    var record = TrialRecord.load(from: host.files)
    attempt.started = host.now()
    attempt.bootID = bootID
    record.attempt = attempt
    try record.save(to: host.files)
    try host.files.synchronize()
    switch test {
    case .panic: _ = try host.run("sh", arguments: ["-c", "echo c >/proc/sysrq-trigger"])
    // A first process that has crashed lives on, but feeds no watchdog.
    case .watchdog: _ = try host.run("sh", arguments: ["-c", "kill -SEGV 1"])
    case .deadline: break
    }
  }
}
