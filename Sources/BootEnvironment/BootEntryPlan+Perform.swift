// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
package import Messages

extension BootEntryPlan {
  /// What became of a plan.
  package struct Outcome: Sendable {
    package var completed: [Step] = []
    package var failures: [StepFailure] = []
  }

  /// A step that was not done, and why.
  package struct StepFailure: HintedError {
    package var step: Step
    package var cause: any Error

    package var message: Message { "could not \(step): \(cause)" }
    package var hint: Message? { (cause as? any HintedError)?.hint }

    fileprivate var isForLackOfSpace: Bool {
      guard case .create = step, let error = cause as? EFIVariableError else { return false }
      if case .storeFull = error.cause { return true }
      return false
    }
  }

  /// Does the steps in their order. One that fails does not stop those behind it that make sense without it, and never
  /// leads to an order that reaches nothing. Entries for which there was no space are tried again once some were
  /// removed.
  package func perform(on store: EFIVariableStore) -> Outcome {
    var performance = BootEntryPerformance(present: present, store: store)
    var outcome = Outcome()
    func attempt(_ steps: [Step]) {
      for step in steps {
        do {
          if try performance.perform(step), !outcome.completed.contains(step) { outcome.completed.append(step) }
        } catch {
          outcome.failures.append(StepFailure(step: step, cause: error))
        }
      }
    }
    attempt(steps)
    let starved = outcome.failures.filter(\.isForLackOfSpace).map(\.step)
    if !starved.isEmpty, performance.hasRemoved {
      let again = steps.filter { step in
        switch step {
        case .order, .next: true
        default: starved.contains(step)
        }
      }
      outcome.failures.removeAll { again.contains($0.step) }
      attempt(again)
      outcome.failures.sort { (steps.firstIndex(of: $0.step) ?? 0) < (steps.firstIndex(of: $1.step) ?? 0) }
    }
    return outcome
  }
}
