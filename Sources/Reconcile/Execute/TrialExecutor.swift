// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import EFIData
internal import HostSystem

/// Records a trial around the steps that tell the firmware.
///
/// The record comes first and says that the trial is being armed; only when the firmware has been told does it say so.
/// If the run is killed between the two, the next boot cannot know whether there was a trial, and it is armed again. So a
/// UKI never counts as failed without a trial, and a UKI that dies is tried twice at most.
struct TrialExecutor {
  private let host: Host
  private let stage: TrialObservation.Stage
  private var record: TrialRecord
  private let old: TrialRecord.Attempt?
  private let goal: TrialRecord.Attempt?
  /// Whether the firmware can be told anything.
  private let canRequest: Bool

  init(_ observed: TrialObservation, requesting result: BootEntryGoals.Result?, on host: Host) {
    self.host = host
    stage = observed.stage
    record = observed.record
    old = record.attempt
    canRequest = result != nil
    guard let trial = result?.trial, let digest = trial.digest, let bootID = observed.bootID else {
      goal = nil
      return
    }
    goal = TrialRecord.Attempt(
      digest: digest, name: trial.name, esp: trial.esp, bootID: bootID, time: host.now(), entry: result?.trialEntry,
      profile: trial.profile, test: trial.test)
  }

  /// Whether an earlier run has armed the same trial.
  private var isArmed: Bool {
    guard let old, let goal, old.isArmed else { return false }
    return old.digest == goal.digest && old.name == goal.name && old.esp == goal.esp && old.entry == goal.entry
      && old.profile == goal.profile && old.test == goal.test
  }

  /// Saves what has become of the last trial, and that another one is being armed.
  ///
  /// Throws `HostError`.
  mutating func prepare() throws {
    if canRequest, stage != .running {
      if !isArmed { record.attempt = goal }
      if goal == nil, stage == .armed { try withdraw() }
      // The requested UKI is gone, or something else has precedence.
      if record.request != goal?.name { record.endRequest() }
    }
    try record.save(to: host.files)
  }

  /// Takes the request back from systemd-boot; that in BootNext is a step of the boot entries.
  private func withdraw() throws {
    guard let old, old.entry == nil,
      let name = LoaderDefault.text(of: .loaderEntryOneShot, in: host.variables)?.lowercased(),
      name.hasPrefix(old.name.fileName.lowercased())
    else { return }
    let variable = EFIVariableName.loaderEntryOneShot.fileName
    try host.variables.remove(variable, holding: host.variables.read(variable))
  }

  /// Saves that the firmware has been told, unless that failed.
  ///
  /// Throws `HostError`.
  mutating func conclude(_ done: BootEntryPlan.Outcome) throws {
    guard goal != nil, !isArmed else { return }
    let hasFailed = done.failures.contains { failure in
      switch failure.step {
      case .next: true
      case .create(let number, _), .update(let number, _): number == goal?.entry
      default: false
      }
    }
    if hasFailed { record.attempt = nil } else { record.attempt?.isArmed = true }
    try record.save(to: host.files)
  }
}
