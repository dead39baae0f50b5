// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
package import Messages
internal import Reconcile

/// `pve-sb-uki boot forget`: removes boot entries on request, including foreign ones.
package struct BootForget: Sendable {
  package var numbers: [BootEntryNumber]
  /// How long to wait for another run to end, in seconds.
  package var lockTimeout = 120

  package init(numbers: [BootEntryNumber]) { self.numbers = numbers }

  package struct Result: Sendable {
    /// The removed entries, in the order of the request.
    package var forgotten: [BootEntryNumber] = []
    package var notes: [Message] = []
    package var failures: [Failure] = []
  }

  /// Removes all of the entries, or none if one must stay.
  ///
  /// Throws `Failure` for an entry that does not exist, that the machine was booted from, or that is the last usable
  /// one in the boot order.
  package func run(on host: Host) throws -> Result {
    let lock = try host.files.lock(Apply.lockPath, waitingAtMost: lockTimeout)
    return try withExtendedLifetime(lock) {
      let store = host.variables
      let variables = try BootVariables(readingFrom: store)
      let plan = try plan(variables)
      let outcome = BootEntryExecutor.execute(plan, on: store)
      var result = Result()
      result.forgotten = numbers.filter { number in
        let isFailed = outcome.failures.contains { $0.step == .remove(number.value) }
        let isLeftInOrder = variables[number.value] == nil && !outcome.failures.isEmpty
        return !isFailed && !isLeftInOrder
      }
      result.failures = outcome.failures.map { Failure($0.message, hint: $0.hint) }
      let esps = OwnESPs(on: host)
      for number in result.forgotten where variables[number.value].map({ esps.owner(of: $0) }) == .ours {
        result.notes.append(
          "\(number.name) was made by pve-sb-uki; the next 'pve-sb-uki apply' recreates it if its UKI is still wanted")
      }
      return result
    }
  }

  private func plan(_ variables: BootVariables) throws -> BootEntryPlan {
    var steps: [BootEntryPlan.Step] = []
    for number in numbers {
      guard variables[number.value] != nil || variables.order.contains(number.value) else {
        throw BootEntryNumber.unknown(number)
      }
      guard number.value != variables.current else {
        throw Failure(
          "keeping \(number.name): this machine was booted from it", hint: "boot from another entry, then remove it")
      }
      if number.value == variables.next { steps.append(.next(nil)) }
    }
    let order = variables.order.filter { !numbers.map(\.value).contains($0) }
    guard order.contains(where: { variables[$0]?.isActive == true }) || order == variables.order else {
      throw Failure(
        "keeping \(numbers.map(\.name).joined(separator: ", ")): the boot order has no other usable entry",
        hint: "create another boot entry first, for UKIs with: pve-sb-uki apply")
    }
    if order != variables.order { steps.append(.order(order)) }
    let present = numbers.map(\.value).filter { variables[$0] != nil }
    return BootEntryPlan(steps: steps + present.map { .remove($0) }, present: variables)
  }
}
