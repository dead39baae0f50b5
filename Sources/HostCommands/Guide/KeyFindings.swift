// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import Findings
internal import Messages
package import Reconcile
internal import SigningKeys

/// The findings about the signing key.
package enum KeyFindings {
  /// The most important first.
  package static func of(_ observation: HostObservation, _ plan: ApplyPlan) -> [Finding] {
    var found: [Finding] = []
    if let absence = plan.keyAbsence { found.append(away(absence, plan, observation)) }
    if let failure = plan.keyFailure { found.append(Finding(.keyUnusable, failure)) }
    return found
  }

  private static func away(_ absence: KeyAbsence, _ plan: ApplyPlan, _ observation: HostObservation) -> Finding {
    let waiting = plan.waitingForKey.map(\.release)
    let what: Message =
      switch waiting.count {
      case 0: "no kernel waits for the signing key yet"
      case 1: "waiting for the signing key: 1 kernel, \(waiting[0])"
      default: "waiting for the signing key: \(waiting.count) kernels, \(waiting.joined(separator: ", "))"
      }
    let boots = waiting.isEmpty || plan.waitingKernelsBoot
    let isLocked = absence.reason == .locked
    // A key on a stick or a token is away most of the time, and one with a passphrase is locked; only work for it needs
    // attention.
    let isIntended = waiting.isEmpty && (isLocked || observation.configuration.key != Configuration.defaultKey)
    let action: Finding.Action? = absence.command.map { .run($0) } ?? absence.hint.map { .advise($0) }
    return Finding(
      isIntended ? .remark : .keyAway,
      boots ? "\(what): \(absence); the present UKIs boot" : "\(what): \(absence)",
      arguments: ["kernels": .array(waiting.map { .string($0) }), "locked": .boolean(isLocked)],
      actions: isIntended ? [] : [action].compactMap { $0 })
  }
}
