// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import EFIData
import HostCommands
import HostScenes
import HostSystem
import Messages
import TestSupport
import Testing

/// `boot forget --foreign` on a machine with every kind of entry.
@Suite struct BootForgetTests {
  private let machine: MirrorScene
  private let own: UInt16

  /// Entry 0 is GRUB's, behind shim.
  init() throws {
    machine = try MirrorScene()
    let variables = try machine.variables()
    own = try #require(variables.order.first { variables[$0]?.option?.file?.isInOurNameSpace == true })
    try write("/EFI/proxmox/grubx64.efi", "grub-trixie")
    try write("/EFI/debian/shimx64.efi", "shim-trixie")
    try write("/EFI/debian/grubx64.efi", "grub-trixie")
    try write("/EFI/systemd/systemd-bootx64.efi", "systemd-boot-trixie")
    try write("/EFI/BOOT/BOOTX64.EFI", "grub-trixie")
    try write("/EFI/Microsoft/Boot/bootmgfw.efi", "dracut-trixie")
    try machine.put(20, label: "debian", on: 0, path: "/EFI/debian/shimx64.efi")
    try machine.put(21, label: "Linux Boot Manager", on: 0, path: "/EFI/systemd/systemd-bootx64.efi")
    try machine.put(22, label: "UEFI OS", on: 0, path: "/EFI/BOOT/BOOTX64.EFI")
    try machine.put(23, label: "gone", on: 0, path: "/EFI/gone/grubx64.efi")
    try machine.put(24, label: "a stick", on: 7, path: "/EFI/stick/grubx64.efi")
    try machine.put(25, label: "tool", on: 0, path: "/EFI/other/file")
    // Inactive entries of other systems are theirs too.
    try machine.put(26, label: "old", on: 0, path: "/EFI/debian/shimx64.efi")
    try edit(26) { $0.attributes = [] }
    // UiApp, as OVMF and AMI's firmware name their own programs: FvFile in a firmware volume.
    let setup: [UInt8] = [9, 1, 0, 0, 0x18, 0, 0x55, 0, 0x69, 0, 0, 0, 4, 6, 0x14, 0] + (0..<16) + [0x7f, 0xff, 4, 0]
    try machine.put(.bootOption(27), setup)
    try machine.directory.write("dev/disk/by-partuuid/none", "")
    let order = try machine.variables().order + [20, 22, 23, 24, 25, 26, 27]
    try machine.put(.bootOrder, BootOrder(order).serialize())
    try machine.put(.bootCurrent, BootOrder([own]).serialize())
  }

  private func write(_ path: String, _ fixture: String) throws {
    try machine.directory.write(machine.path(MirrorScene.serials[0], path), Fixture.bytes(of: fixture))
  }

  private func edit(_ number: UInt16, _ change: (inout LoadOption) -> Void) throws {
    var option = try #require(try machine.variables()[number]?.option)
    change(&option)
    try machine.put(.bootOption(number), option.serialize())
  }

  private func forget(isDryRun: Bool = false, recorder: MutationRecorder = MutationRecorder()) throws
    -> BootForget.Result
  {
    var forget = BootForget(.foreign)
    forget.isDryRun = isDryRun
    forget.lockTimeout = 0
    return try forget.run(on: machine.host(recorder.gate))
  }

  @Test func onlyLoadersAndKernelsOfOthersAreRemoved() throws {
    let before = try machine.variables()
    let result = try forget()
    #expect(result.failures.isEmpty)
    #expect(Set(result.forgotten.map(\.number.value)) == [0, 20, 23, 26])
    let kept = Dictionary(uniqueKeysWithValues: result.kept.map { ($0.number.value, $0.reason?.description ?? "") })
    #expect(Set(kept.keys) == [21, 22, 24, 25, 27])
    #expect(kept[21] == "it starts a UKI of pve-sb-uki", "systemd-boot finds it")
    #expect(kept[22] == "the firmware creates such entries itself")
    #expect(kept[24]?.hasPrefix("the machine has no partition") == true, "\(kept[24] ?? "")")
    #expect(kept[27] == "part of the firmware")
    let after = try machine.variables()
    #expect(after.order == before.order.filter { ![0, 20, 23, 26].contains($0) })
    #expect(after.entries.count == before.entries.count - 4)
    #expect(try forget().forgotten.isEmpty)
  }

  @Test func aDryRunNamesTheSameAndWritesNothing() throws {
    let recorder = MutationRecorder()
    let wanted = try forget(isDryRun: true, recorder: recorder)
    #expect(recorder.mutations.isEmpty)
    #expect(try forget().forgotten == wanted.forgotten)
  }

  /// BootCurrent may name an entry that was removed since.
  @Test(arguments: [0, 20, 99] as [UInt16])
  func nothingIsRemovedUnlessOursWasBooted(current: UInt16) throws {
    try machine.put(.bootCurrent, BootOrder([current]).serialize())
    let recorder = MutationRecorder()
    #expect(throws: Failure.self) { try forget(recorder: recorder) }
    #expect(recorder.mutations.allSatisfy { $0.path.hasPrefix("/run") })
  }
}
