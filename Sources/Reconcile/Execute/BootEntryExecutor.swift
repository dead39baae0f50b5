// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import EFIData
package import HostSystem
package import Messages

extension BootEntryPlan {
  /// The result of executing a plan.
  package struct Outcome: Sendable {
    package var completed: [Step] = []
    package var failures: [StepFailure] = []
  }

  /// A step that failed, and why.
  package struct StepFailure: HintedError {
    package var step: Step
    package var cause: any Error

    package var message: Message { "could not \(step): \(cause)" }
    package var hint: Message? { (cause as? any HintedError)?.hint }

    fileprivate var isOutOfSpace: Bool {
      guard case .create = step, let error = cause as? EFIVariableError else { return false }
      if case .storeFull = error.cause { return true }
      return false
    }
  }
}

/// Executes a plan for boot entries.
package struct BootEntryExecutor: ~Copyable {
  private let present: BootVariables
  private let store: EFIVariableStore
  /// Numbers of the entries that could not be created.
  private var missing: Set<UInt16> = []
  /// Numbers of the entries that were created or updated.
  private var made: Set<UInt16> = []
  private var removed: Set<UInt16> = []
  private var order: [UInt16]

  private init(present: BootVariables, store: EFIVariableStore) {
    self.present = present
    self.store = store
    order = present.order
  }

  /// Executes the steps in order.
  ///
  /// If a step fails, later steps that do not depend on it still run. The boot order always keeps a bootable entry.
  /// Entries that did not fit into the variable store are retried after others were removed.
  package static func execute(_ plan: BootEntryPlan, on store: EFIVariableStore) -> BootEntryPlan.Outcome {
    var executor = BootEntryExecutor(present: plan.present, store: store)
    var outcome = BootEntryPlan.Outcome()
    func attempt(_ steps: [BootEntryPlan.Step]) {
      for step in steps {
        do {
          if try executor.execute(step), !outcome.completed.contains(step) { outcome.completed.append(step) }
        } catch {
          outcome.failures.append(BootEntryPlan.StepFailure(step: step, cause: error))
        }
      }
    }
    attempt(plan.steps)
    let outOfSpace = outcome.failures.filter(\.isOutOfSpace).map(\.step)
    if !outOfSpace.isEmpty, !executor.removed.isEmpty {
      let again = plan.steps.filter { step in
        switch step {
        case .order, .next: true
        default: outOfSpace.contains(step)
        }
      }
      outcome.failures.removeAll { again.contains($0.step) }
      attempt(again)
      outcome.failures.sort { (plan.steps.firstIndex(of: $0.step) ?? 0) < (plan.steps.firstIndex(of: $1.step) ?? 0) }
    }
    return outcome
  }

  /// Returns false if nothing had to be changed.
  private mutating func execute(_ step: BootEntryPlan.Step) throws -> Bool {
    switch step {
    case .create(let number, let option): try create(number, option)
    case .update(let number, let option): try update(number, option)
    case .remove(let number): try remove(number)
    case .order(let numbers): return try set(numbers)
    case .next(let number): return try setNext(number)
    }
    return true
  }

  private mutating func create(_ number: UInt16, _ option: LoadOption) throws {
    missing.insert(number)
    try write(.bootOption(number), data: option.serialize(), replacing: nil)
    missing.remove(number)
    made.insert(number)
  }

  private mutating func update(_ number: UInt16, _ option: LoadOption) throws {
    try write(.bootOption(number), data: option.serialize(), replacing: present[number]?.content)
    made.insert(number)
  }

  private mutating func set(_ numbers: [UInt16]) throws -> Bool {
    let wanted = numbers.filter { !missing.contains($0) }
    guard wanted != order else { return false }
    guard reaches(wanted) else {
      throw SkippedStepError(message: "the new BootOrder would contain no bootable entry")
    }
    let old = try store.read(EFIVariableName.bootOrder.fileName)
    let now = try old.map { try BootOrder(parsing: EFIVariableContent(parsing: $0).data).numbers } ?? []
    guard now == order else { throw EFIVariableError("write", EFIVariableName.bootOrder.name, .changed) }
    try write(.bootOrder, data: BootOrder(wanted).serialize(), replacing: old)
    order = wanted
    return true
  }

  private func setNext(_ number: UInt16?) throws -> Bool {
    let name = EFIVariableName.bootNext
    let old = try store.read(name.fileName)
    if let number {
      guard !missing.contains(number) else { throw SkippedStepError(message: "its boot entry could not be created") }
      let data = BootOrder([number]).serialize()
      if let old, try EFIVariableContent(parsing: old).data == data { return false }
      try write(name, data: data, replacing: old)
    } else {
      guard old != nil else { return false }
      try store.remove(name.fileName, holding: old)
    }
    return true
  }

  private mutating func remove(_ number: UInt16) throws {
    let name = EFIVariableName.bootOption(number)
    // This only happens if the boot order could not be set.
    guard !order.contains(number) else { throw SkippedStepError(message: "it is still in the boot order") }
    guard reaches(order) || !reaches(present.order) else {
      throw SkippedStepError(message: "the boot order contains no other bootable entry")
    }
    try store.remove(name.fileName, holding: present[number]?.content)
    removed.insert(number)
  }

  /// Whether the order contains an entry that the firmware would try.
  private func reaches(_ order: [UInt16]) -> Bool {
    order.contains { number in
      made.contains(number) || !removed.contains(number) && present[number]?.isActive == true
    }
  }

  private func write(_ variable: EFIVariableName, data: [UInt8], replacing old: [UInt8]?) throws {
    // Keep the attributes: those of an existing variable cannot be changed.
    let attributes = try old.map { try EFIVariableContent(parsing: $0).attributes } ?? .bootManager
    let content = EFIVariableContent(attributes: attributes, data: data)
    try store.write(variable.fileName, content: content.serialize(), replacing: old)
  }
}

/// Why a step is skipped after another step failed.
private struct SkippedStepError: Error, MessageConvertible {
  var message: Message
}
