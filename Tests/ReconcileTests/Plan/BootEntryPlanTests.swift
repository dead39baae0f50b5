// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import EFIData
import HostSystem
import Messages
import Reconcile
import TestSupport
import Testing

@Suite struct BootEntryPlanTests {
  private let scene: BootScene
  private let newer = BootScene.target("6.8.12-10-pve")
  private let older = BootScene.target("6.8.12-9-pve")
  private let mirrored = BootScene.target("6.8.12-10-pve", BootScene.second)
  private let option = BootScene.option
  init() throws { scene = try BootScene() }

  @Test(arguments: [(true, [2, 3, 0, 1]), (false, [0, 1, 2, 3])] as [(Bool, [UInt16])])
  func newEntriesComeFirstOnlyIfPreferred(arePreferred: Bool, order: [UInt16]) throws {
    try scene.put(0, BootScene.grub)
    try scene.put(.bootOption(1), try #require([UInt8](hexadecimal: BootScene.menu)))
    try scene.put(order: [0, 1], current: 0)
    let plan = try scene.plan([newer, older], arePreferred: arePreferred)
    #expect(try plan.steps == [.create(2, option(newer)), .create(3, option(older)), .order(order)])
    #expect(plan.rejections.isEmpty)
  }

  @Test func correctEntriesAreUnchanged() throws {
    try scene.put(0, BootScene.grub)
    try scene.put(4, newer)
    try scene.put(5, mirrored)
    try scene.put(order: [4, 5, 0], next: 4)
    #expect(try scene.plan([newer, mirrored]).isEmpty)
    #expect(try scene.plan([newer, mirrored], next: newer).isEmpty)
    #expect(try scene.plan([newer, mirrored], arePreferred: false).steps == [.order([0, 4, 5])])
    #expect(try scene.plan([mirrored, newer]).steps == [.order([5, 4, 0])])
    #expect(try scene.plan([newer, mirrored], next: mirrored).steps == [.next(5)])
  }

  @Test func labelsDataAndActivityAreCorrectedInPlace() throws {
    var wrong = newer
    wrong.label = "UEFI OS"
    wrong.optionalData = [1, 2]
    wrong.path = "/efi/LINUX/pve-6.8.12-10-PVE.EFI"
    var old = try option(wrong)
    old.attributes = [.hidden]
    try scene.put(.bootOption(7), old.serialize())
    try scene.put(order: [7])
    var expected = old
    expected.attributes = [.hidden, .active]
    expected.description = newer.label
    expected.optionalData = []
    #expect(try scene.plan([newer]).steps == [.update(7, expected)])
  }

  /// As efibootmgr shows them on machines with AMI's firmware: `..BO`, `RC`, `..GO..NO..`.
  @Test(arguments: ["0000424f", "5243", "0000474f00004e4f0000", "474f", "42004f00", "00004e4f0000424f", "0000"])
  func marksOfTheFirmwareAreKept(mark: String) throws {
    let mark = try #require([UInt8](hexadecimal: mark))
    var marked = newer
    marked.optionalData = mark
    try scene.put(0, marked)
    try scene.put(order: [0])
    #expect(try scene.plan([newer]).isEmpty)
    // Another correction keeps them, too.
    marked.label = "UEFI OS"
    try scene.put(0, marked)
    var expected = try option(newer)
    expected.optionalData = mark
    #expect(try scene.plan([newer]).steps == [.update(0, expected)])
  }

  /// The stub would use these as a command line.
  @Test(arguments: ["0102", "424f4f54", "7100750069006500740000", "0000424f01", "4f42", "5200430031"])
  func otherDataAreRemoved(data: String) throws {
    var wrong = newer
    wrong.optionalData = try #require([UInt8](hexadecimal: data))
    try scene.put(0, wrong)
    try scene.put(order: [0])
    #expect(try scene.plan([newer]).steps == [.update(0, option(newer))])
  }

  /// Partitions of one disk with an MBR have the same signature.
  @Test func partitionsOfAnMBRAreToldApart() throws {
    func partition(_ number: UInt32) -> PartitionLocation {
      PartitionLocation(number: number, startBlock: 2048, blockCount: 1 << 20, diskSignature: 0x1234_abcd)
    }
    let (first, other) = (
      BootScene.target("6.8.12-10-pve", partition(1)), BootScene.target("6.8.12-9-pve", partition(2))
    )
    try scene.put(0, first)
    try scene.put(1, other)
    try scene.put(order: [1, 0])
    #expect(try scene.plan([first], on: [partition(1)]).steps == [.order([0, 1])])
    #expect(try scene.plan([first], on: [partition(1), partition(2)]).steps == [.order([0]), .remove(1)])
  }

  /// shim starts the program named in its optional data, so each value needs its own entry.
  @Test func optionalDataDistinguishesEntriesOfOneFile() throws {
    func shim(_ kernel: String) -> BootTarget {
      BootTarget(
        partition: BootScene.first, path: "/EFI/pve-sb-uki/shimx64.efi", label: "Proxmox VE \(kernel)",
        optionalData: BootChain.shimOption(starting: "/EFI/Linux/pve-\(kernel).efi"))
    }
    let (first, second, third) = (shim("6.8.12-10-pve"), shim("6.8.12-9-pve"), shim("6.8.12-8-pve"))
    try scene.put(0, BootScene.grub)
    // Data like that appended by some firmware.
    var marked = second
    marked.optionalData += [UInt8](repeating: 0xa5, count: 16)
    try scene.put(1, marked)
    try scene.put(2, third)
    try scene.put(order: [2, 1, 0])
    #expect(
      try scene.plan([first, second]).steps == [.create(3, option(first)), .order([3, 1, 0]), .remove(2)])
    #expect(try scene.plan([third, second], next: second).steps == [.next(1)])
  }

  @Test func aMovedPartitionIsCorrected() throws {
    var moved = newer
    moved.partition.startBlock += 8
    try scene.put(7, newer)
    try scene.put(order: [7])
    #expect(try scene.plan([moved], on: [moved.partition]).steps == [.update(7, option(moved))])
  }

  @Test func aPathCompletedByTheFirmwareIsKept() throws {
    let short = try option(newer).serialize()
    let hardware = try #require([UInt8](hexadecimal: "02010c00d041030a00000000010106000001"))
    let start = 6 + 2 * (newer.label.utf16.count + 1)
    var full = short
    full.insert(contentsOf: hardware, at: start)
    full[4] += UInt8(hardware.count)
    try scene.put(.bootOption(7), full)
    try scene.put(order: [7])
    #expect(try scene.plan([newer]).isEmpty)
  }

  @Test func duplicatesAreRemovedExceptTheBootedEntry() throws {
    for number: UInt16 in [1, 2, 3] { try scene.put(number, newer) }
    try scene.put(order: [2, 3])
    #expect(try scene.plan([newer]).steps == [.order([2]), .remove(1), .remove(3)])
    try scene.put(order: [2, 3], current: 3)
    #expect(try scene.plan([newer]).steps == [.order([3]), .remove(1), .remove(2)])
    #expect(
      try scene.plan([
        newer, newer,
        BootTarget(
          partition: BootScene.first, path: newer.path.uppercased(), label: "x"),
      ]).steps
        == [.order([3]), .remove(1), .remove(2)])
  }

  @Test func entriesOfRemovedKernelsAreRemovedLast() throws {
    try scene.put(0, BootScene.grub)
    try scene.put(1, older)
    try scene.put(2, BootTarget(partition: BootScene.second, path: "/EFI/pve-sb-uki/old.efi", label: "any"))
    try scene.put(order: [1, 0, 2])
    let steps: [BootEntryPlan.Step] = [.create(3, try option(newer)), .order([3, 0]), .remove(1), .remove(2)]
    #expect(try scene.plan([newer]).steps == steps)
    // Without a target, the foreign entry is used.
    #expect(try scene.plan([]).steps == [.order([0]), .remove(1), .remove(2)])
  }

  @Test func theCurrentEntryStaysUntilAnotherHasBooted() throws {
    try scene.put(0, BootScene.grub)
    try scene.put(1, older)
    try scene.put(2, newer)
    try scene.put(order: [1, 2, 0], current: 1)
    #expect(try scene.plan([newer]).steps == [.order([2, 1, 0])])
    try scene.put(order: [2, 1, 0], current: 1)
    #expect(try scene.plan([newer]).isEmpty)
    try scene.put(order: [2, 1, 0], current: 2)
    #expect(try scene.plan([newer]).steps == [.order([2, 0]), .remove(1)])
    // One that was booted by hand and is not in the order stays outside it.
    try scene.put(order: [2, 0], current: 1)
    #expect(try scene.plan([newer]).isEmpty)
  }

  /// A machine that was booted from one of our entries accepts our UKIs, even if the certificate seems untrusted.
  @Test func theOrderIsKeptIfAnUntrustedEntryBooted() throws {
    try scene.put(0, BootScene.grub)
    try scene.put(1, older)
    try scene.put(2, newer)
    try scene.put(order: [1, 0, 2], current: 1)
    #expect(try scene.plan([newer, older], arePreferred: false).isEmpty)
    #expect(try scene.plan([newer], arePreferred: false).isEmpty)
    #expect(
      try scene.plan([mirrored, newer, older], arePreferred: false).steps
        == [.create(3, option(mirrored)), .order([1, 0, 2, 3])])
    try scene.put(order: [1, 0, 2], current: 0)
    #expect(try scene.plan([newer, older], arePreferred: false).steps == [.order([0, 2, 1])])
  }

  /// Without a boot order the firmware makes one; an order with only our entries would put them first.
  @Test func noOrderIsCreatedFromRejectedEntries() throws {
    #expect(try scene.plan([newer], arePreferred: false).steps == [.create(0, option(newer))])
    try scene.put(0, newer)
    #expect(try scene.plan([newer], arePreferred: false).isEmpty)
    #expect(try scene.plan([newer]).steps == [.order([0])])
  }

  @Test func theLastBootableEntryIsKept() throws {
    try scene.put(1, older)
    try scene.put(.bootOption(4), [0xff])
    try scene.put(order: [1, 4, 9])
    #expect(try scene.plan([]).isEmpty)
    var inactive = try option(BootScene.grub)
    inactive.attributes = []
    try scene.put(.bootOption(5), inactive.serialize())
    try scene.put(order: [1, 4, 5, 9])
    #expect(try scene.plan([]).isEmpty)
  }

  @Test func foreignEntriesAreKeptWithAnyLabel() throws {
    let foreign = [
      BootTarget(partition: BootScene.first, path: "/EFI/Linux/other.efi", label: "Proxmox VE"),
      BootTarget(partition: BootScene.first, path: "/EFI/Linux/sub/pve-1.efi", label: "Proxmox VE"),
      BootTarget(partition: BootScene.first, path: "/EFI/pve-sb-uki", label: "Proxmox VE"),
      BootTarget(partition: BootScene.first, path: "/EFI/pve-sb-uki/../x.efi", label: "Proxmox VE"),
      BootTarget(partition: BootScene.first, path: "/EFI/Linux/pve-.efi", label: "Proxmox VE"),
      BootTarget(partition: BootScene.gone, path: "/EFI/Linux/pve-1.efi", label: "My own"),
      BootScene.grub,
    ]
    for (number, target) in foreign.enumerated() { try scene.put(UInt16(number), target) }
    try scene.put(order: Array(0..<7))
    #expect(try scene.plan([newer]).steps == [.create(7, option(newer)), .order([7] + Array(0..<7))])
  }

  @Test func oldDisksEntriesGoOnlyIfAllPartitionsArePresent() throws {
    try scene.put(0, BootScene.target("6.8.12-10-pve", BootScene.gone))
    try scene.put(1, newer)
    try scene.put(order: [0, 1])
    #expect(try scene.plan([newer]).steps == [.order([1]), .remove(0)])
    #expect(try scene.plan([newer], isComplete: false).steps == [.order([1, 0])])
    #expect(try scene.plan([newer], arePreferred: false, isComplete: false).isEmpty)
  }

  @Test func referencedNumbersAreNotReused() throws {
    try scene.put(.bootOption(1), [0xff])
    try scene.put(6, BootScene.grub)
    try scene.put(order: [6, 0, 3], next: 2, current: 4)
    let plan = try scene.plan([newer, older])
    #expect(try plan.steps == [.create(5, option(newer)), .create(7, option(older)), .order([5, 7, 6, 0, 3])])
  }

  @Test func targetsThatCannotHaveAnEntryAreRejected() throws {
    try scene.put(order: [])
    let long = BootTarget(
      partition: BootScene.first, path: "/EFI/pve-sb-uki/" + String(repeating: "a", count: 40_000), label: "a")
    let plan = try scene.plan([BootScene.grub, long, newer], next: older)
    #expect(try plan.steps == [.create(0, option(newer)), .order([0])])
    #expect(plan.rejections.map(\.target) == [BootScene.grub, long, older])
    #expect(plan.rejections[1].reason.contains("do not fit") || plan.rejections[1].reason.contains("more than 65535"))
  }

  @Test func withoutFreeNumbersOtherEntriesAreStillCorrected() throws {
    var present = BootVariables()
    let foreign = try option(BootScene.grub)
    present.entries = (0...UInt16.max).map { BootVariables.Entry(number: $0, content: [], option: foreign) }
    present.order = [5]
    let plan = BootEntryPlan.make(
      targets: [newer], arePreferred: true, next: nil, ownPartitions: [BootScene.first], isComplete: true,
      present: present)
    #expect(plan.isEmpty && plan.rejections.count == 1)
  }

  @Test func stepsReadAsCommands() throws {
    let steps: [BootEntryPlan.Step] = [
      .create(26, try option(newer)), .update(1, try option(newer)), .order([26, 1]), .next(1), .next(nil), .remove(3),
    ]
    #expect(
      steps.map(\.description) == [
        "create Boot001A (Proxmox VE 6.8.12-10-pve)", "update Boot0001 (Proxmox VE 6.8.12-10-pve)",
        "set the boot order to 001A, 0001", "boot Boot0001 next", "clear BootNext", "remove Boot0003",
      ])
  }
}
