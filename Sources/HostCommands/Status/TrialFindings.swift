// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import Findings
internal import Messages
internal import Reconcile

/// Findings about trials of UKIs.
enum TrialFindings {
  static func of(_ observation: HostObservation, _ plan: ApplyPlan) -> [Finding] {
    let trial = observation.trial
    guard trial.isOn || trial.record.attempt != nil else { return [] }
    return [firmware(trial), failure(observation, plan), pending(trial, plan)].compactMap { $0 }
  }

  private static func firmware(_ trial: TrialObservation) -> Finding? {
    let message: Message
    switch trial.record.firmware {
    case .repeats: message = "this firmware boots the entry in BootNext again and again"
    case .ignores: message = "this firmware does not boot the entry in BootNext"
    default: return nil
    }
    return Finding(
      .bootNextUnreliable, "\(message), so new UKIs boot first without a trial",
      actions: [
        .advise("update the firmware, then run: pve-sb-uki boot trial --self-test"),
        .advise("or do without trials: pve-sb-uki config set Promotion immediate"),
      ])
  }

  /// A UKI that would boot first now, had it not failed.
  private static func failure(_ observation: HostObservation, _ plan: ApplyPlan) -> Finding? {
    guard let name = plan.waitingForTrial,
      let failed = observation.trial.record.failures.last(where: { failed in
        failed.name == name
          && observation.contents.values.contains { contents in
            contents.images.contains { $0.name == name && $0.holds(failed.digest) }
          }
      })
    else { return nil }
    let kernel = name.kernel.release
    let time = CalendarDate(seconds: failed.time).description
    let words = failed.lastWords.map { "; its last words: \($0)" as Message } ?? ""
    let first = plan.firstImage.map { "; \($0.fileName) boots first" as Message } ?? ""
    return Finding(
      .trialFailed, "kernel \(kernel) did not confirm its boot (noticed \(time))\(first)\(words)",
      arguments: ["kernel": .string(kernel), "time": .string(time)],
      actions: [
        .advise("install another version of the kernel, or rebuild its initrd: update-initramfs -u -k \(kernel)"),
        .advise("to try the same UKI again: pve-sb-uki boot trial \(kernel)"),
      ])
  }

  private static func pending(_ trial: TrialObservation, _ plan: ApplyPlan) -> Finding? {
    guard let attempt = trial.record.attempt else { return nil }
    let kernel = attempt.name.kernel.release
    let arguments: KeyValuePairs<String, JSONValue> = ["kernel": .string(kernel)]
    switch (trial.stage, attempt.test) {
    case (.armed, nil):
      guard attempt.isArmed else { return nil }
      return Finding(.trialPending, "the next boot tries kernel \(kernel)", arguments: arguments)
    case (.armed, let test?):
      return Finding(.trialPending, "the next boot tests '\(test.rawValue)' and restarts", arguments: arguments)
    case (.running, nil):
      return Finding(
        .trialPending, "this boot tries kernel \(kernel), and is not confirmed yet", arguments: arguments,
        actions: [.advise("to see what it waits for: systemctl status pve-sb-uki-boot-ok")])
    case (.running, let test?):
      return Finding(.trialPending, "this boot tests '\(test.rawValue)' and restarts", arguments: arguments)
    case (.none, _): return nil
    }
  }
}
