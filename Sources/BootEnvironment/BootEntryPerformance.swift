// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import EFIData
internal import HostSystem
internal import Messages

/// The variables while a plan is carried out.
struct BootEntryPerformance {
  let present: BootVariables
  let store: EFIVariableStore
  /// Numbers of the entries that could not be made.
  private var missing: Set<UInt16> = []
  /// Numbers of the entries that are as they shall be now.
  private var made: Set<UInt16> = []
  private var removed: Set<UInt16> = []
  private var order: [UInt16]

  init(present: BootVariables, store: EFIVariableStore) {
    self.present = present
    self.store = store
    order = present.order
  }

  var hasRemoved: Bool { !removed.isEmpty }

  /// Returns whether there was something to do.
  mutating func perform(_ step: BootEntryPlan.Step) throws -> Bool {
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
    try write(.bootOption(number), option.serialize(), replacing: nil)
    missing.remove(number)
    made.insert(number)
  }

  private mutating func update(_ number: UInt16, _ option: LoadOption) throws {
    try write(.bootOption(number), option.serialize(), replacing: present[number]?.content)
    made.insert(number)
  }

  private mutating func set(_ numbers: [UInt16]) throws -> Bool {
    let wanted = numbers.filter { !missing.contains($0) }
    guard wanted != order else { return false }
    guard reaches(wanted) else { throw BootEntryObstacle(message: "it would name nothing that can be booted") }
    let old = try store.read(EFIVariableName.bootOrder.fileName)
    let now = try old.map { try BootOrder(parsing: EFIVariableContent(parsing: $0).data).numbers } ?? []
    guard now == order else { throw EFIVariableError("write", EFIVariableName.bootOrder.name, .changed) }
    try write(.bootOrder, BootOrder(wanted).serialize(), replacing: old)
    order = wanted
    return true
  }

  private func setNext(_ number: UInt16?) throws -> Bool {
    let name = EFIVariableName.bootNext
    let old = try store.read(name.fileName)
    if let number {
      guard !missing.contains(number) else { throw BootEntryObstacle(message: "its entry could not be made") }
      let data = BootOrder([number]).serialize()
      if let old, try EFIVariableContent(parsing: old).data == data { return false }
      try write(name, data, replacing: old)
    } else {
      guard old != nil else { return false }
      try store.remove(name.fileName, holding: old)
    }
    return true
  }

  private mutating func remove(_ number: UInt16) throws {
    let name = EFIVariableName.bootOption(number)
    // Only after an order that could not be set does it still name what is to go.
    guard !order.contains(number) else { throw BootEntryObstacle(message: "the boot order still names it") }
    guard reaches(order) || !reaches(present.order) else {
      throw BootEntryObstacle(message: "the boot order would name nothing else")
    }
    try store.remove(name.fileName, holding: present[number]?.content)
    removed.insert(number)
  }

  /// Whether there is an entry that the firmware would try.
  private func reaches(_ order: [UInt16]) -> Bool {
    order.contains { number in
      made.contains(number) || !removed.contains(number) && present[number]?.isActive == true
    }
  }

  private func write(_ variable: EFIVariableName, _ data: [UInt8], replacing old: [UInt8]?) throws {
    // A variable's attributes cannot be changed, so an old one keeps whatever it has.
    let attributes = try old.map { try EFIVariableContent(parsing: $0).attributes } ?? .bootManager
    let content = EFIVariableContent(attributes: attributes, data: data)
    try store.write(variable.fileName, content.serialize(), replacing: old)
  }
}

/// Why a step makes no sense after another one failed.
private struct BootEntryObstacle: Error, MessageConvertible {
  var message: Message
}
