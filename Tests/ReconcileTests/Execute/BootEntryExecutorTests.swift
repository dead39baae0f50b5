// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import EFIData
import Glibc
import HostSystem
import Messages
import Reconcile
import TestSupport
import Testing

@Suite struct BootEntryExecutorTests {
  private let scene: BootScene
  private let newer = BootScene.target("6.8.12-10-pve")
  private let older = BootScene.target("6.8.12-9-pve")
  private let mirrored = BootScene.target("6.8.12-10-pve", BootScene.second)

  /// An entry of a removed kernel, a duplicate, a wrong label, foreign entries and unreadable ones.
  init() throws {
    scene = try BootScene()
    try fill()
  }

  private func fill() throws {
    try scene.put(0, BootScene.grub)
    try scene.put(.bootOption(1), try #require([UInt8](hexadecimal: BootScene.menu)))
    try scene.put(.bootOption(2), [1, 2, 3])
    try scene.put(3, BootScene.target("6.5.11-1-pve"))
    try scene.put(4, older)
    try scene.put(5, older)
    var wrong = mirrored
    wrong.label = "wrong"
    try scene.put(6, wrong)
    try scene.put(order: [3, 4, 0, 1, 2, 9], current: 4)
  }

  private var targets: [BootTarget] { [newer, mirrored, older] }
  private func foreign() throws -> [String: [UInt8]] {
    let names = [0, 1, 2].map { EFIVariableName.bootOption($0).fileName } + ["other"]
    return try scene.contents().filter { names.contains($0.key) }
  }

  /// Whether the order contains an entry that the firmware would boot and that will not be removed.
  private func reachesSomething() throws -> Bool {
    let variables = try scene.variables()
    return variables.order.contains { variables[$0]?.isActive == true }
  }

  @Test func allStepsAreDoneAndASecondRunHasNone() throws {
    let before = try foreign()
    let plan = try scene.plan(targets, next: mirrored)
    let outcome = BootEntryExecutor.execute(plan, on: try scene.store())
    #expect(outcome.failures.isEmpty && outcome.completed == plan.steps)
    let after = try scene.variables()
    #expect(after.order == [7, 6, 4, 0, 1, 2, 9] && after.next == 6 && after.current == 4)
    #expect(after.entries.map(\.number) == [0, 1, 2, 4, 6, 7])
    #expect(try foreign() == before)
    let recorder = MutationRecorder()
    let second = try scene.plan(targets, next: mirrored)
    #expect(second.isEmpty)
    #expect(
      BootEntryExecutor.execute(second, on: try scene.store(recorder)).completed.isEmpty && recorder.mutations.isEmpty)
  }

  /// Promises I1 and I5: whichever change fails, alone or with all later ones.
  @Test func aFailureAtAnyChangeLeavesABootableOrder() throws {
    let before = try foreign()
    for isPowerCut in [false, true] {
      var changes = 0
      for number in 1... {
        for name in try scene.contents().keys where name.hasPrefix("Boot") {
          unlink(scene.directory.path(of: "\(EFIVariableStore.directory)/\(name)"))
        }
        try fill()
        let plan = try scene.plan(targets, next: mirrored)
        let recorder = MutationRecorder(isPowerCut ? .from(number) : .only(number))
        let outcome = BootEntryExecutor.execute(plan, on: try scene.store(recorder))
        #expect(try reachesSomething(), "change \(number)")
        #expect(try foreign() == before, "change \(number)")
        let now = try scene.variables()
        #expect(now.order.allSatisfy { [UInt16]([0, 1, 2, 9]).contains($0) || now[$0] != nil }, "change \(number)")
        if recorder.mutations.count < number {
          changes = number - 1
          break
        }
        #expect(!outcome.failures.isEmpty, "change \(number)")
        #expect(try BootEntryExecutor.execute(scene.plan(targets, next: mirrored), on: scene.store()).failures.isEmpty)
        #expect(try scene.plan(targets, next: mirrored).isEmpty, "after change \(number)")
      }
      #expect(changes == 10)
    }
  }

  @Test func aFullStoreIsRetriedAfterARemoval() throws {
    let isFull = Flag(true)
    let host = try scene.directory.host { mutation in
      if mutation.kind == .remove { isFull.value = false }
      if mutation.kind == .create, isFull.value { throw HostError("write", mutation.path, errno: ENOSPC) }
    }
    let outcome = try BootEntryExecutor.execute(scene.plan(targets), on: EFIVariableStore(of: host.files))
    #expect(outcome.failures.isEmpty)
    #expect(try scene.variables().order == [7, 6, 4, 0, 1, 2, 9])
    #expect(try scene.plan(targets).isEmpty)
  }

  @Test func aFullStoreIsReportedAndTheRestIsDone() throws {
    let host = try scene.directory.host { mutation in
      if mutation.kind == .create { throw HostError("write", mutation.path, errno: ENOSPC) }
    }
    try scene.put("dump-type0-1", [7, 0, 0, 0])
    let outcome = try BootEntryExecutor.execute(scene.plan(targets, next: newer), on: EFIVariableStore(of: host.files))
    let after = try scene.variables()
    #expect(after.order == [6, 4, 0, 1, 2, 9] && after.next == nil)
    #expect(after[6]?.option?.description == mirrored.label && after[3] == nil && after[5] == nil)
    let failure = try #require(outcome.failures.first)
    #expect("\(failure)".hasPrefix("could not create Boot0007 (Proxmox VE 6.8.12-10-pve): cannot write firmware"))
    #expect(failure.hint?.contains("rm /sys/firmware/efi/efivars/dump-type0-*") == true)
  }

  @Test func changesByAnotherProgramAreNotOverwritten() throws {
    let plan = try scene.plan(targets)
    try scene.put(7, BootScene.grub)
    try scene.put(4, BootScene.grub)
    try scene.put(5, BootScene.grub)
    try scene.put(order: [0])
    let before = try scene.contents()
    let outcome = BootEntryExecutor.execute(plan, on: try scene.store())
    #expect(outcome.completed.count == 1)
    let after = try scene.contents()
    #expect(after.filter { $0.value != before[$0.key] }.keys.sorted() == [EFIVariableName.bootOption(6).fileName])
  }

  @Test func attributesAreUnchanged() throws {
    let name = EFIVariableName.bootOption(6).fileName
    let content = try #require(try scene.contents()[name])
    try scene.put(name, [0x0f] + content.dropFirst())
    _ = try BootEntryExecutor.execute(scene.plan(targets), on: scene.store())
    #expect(try scene.contents()[name]?.first == 0x0f)
    #expect(try scene.contents()[EFIVariableName.bootOption(7).fileName]?.first == 0x07)
    #expect(try scene.plan(targets).isEmpty)
  }

  @Test func aMachineWithoutEntriesGetsEntries() throws {
    let empty = try BootScene()
    let outcome = try BootEntryExecutor.execute(empty.plan(targets), on: empty.store())
    #expect(outcome.failures.isEmpty)
    #expect(try empty.variables().order == [0, 1, 2])
  }
}

private final class Flag: @unchecked Sendable {
  var value: Bool
  init(_ value: Bool) { self.value = value }
}
