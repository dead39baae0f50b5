// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import BootPaths
import EFIData
import FATFileSystem
import Findings
import HostScenes
import HostSystem
import Messages
import TestSupport
import Testing

/// ESPs on arrays, other disks, disks with an MBR, and none at all.
@Suite struct DiskTests {
  private static func member(_ index: UInt16, isReadable: Bool = true) -> ArrayMember {
    ArrayMember(
      location: PartitionLocation(
        number: 2, startBlock: 2048, blockCount: 1 << 20, guid: GUID(0xaaaa_bbbb, index, 0, 0)),
      disk: "/dev/sd\(index == 0 ? "a" : "b")", isReadableByFirmware: isReadable)
  }

  /// The first ESP is on an array; the second one has no UKI and no entries.
  private func array(isReadable: Bool = true) throws -> PathScene {
    var scene = try PathScene()
    try scene.mirror.directory.write("etc/kernel/proxmox-boot-uuids", PathScene.first)
    scene.members = [Self.member(0, isReadable: isReadable), Self.member(1, isReadable: isReadable)]
    for number in try scene.mirror.variables().order { try scene.mirror.put(.bootOption(number), []) }
    try scene.mirror.put(.bootOrder, [])
    return scene
  }

  @Test func anArrayWithoutEntriesIsReportedWithCommands() throws {
    let survey = try array().survey()
    #expect(survey.kinds == [.noBootPath, .espWithoutEntry])
    #expect(
      survey.texts(.espWithoutEntry) == [
        "1111-AAA1 cannot have boot entries: it is on the RAID array md0; no other path leads to a UKI"
      ])
    let actions = try #require(survey.findings.first { $0.kind == .espWithoutEntry }).actions.map(\.text.description)
    #expect(
      actions[0] == #"""
        efibootmgr --create --disk /dev/sda --part 2 --label 'Proxmox VE' --loader '\EFI\Linux\pve-6.8.12-10-pve.efi'
        """#)
    #expect(actions[1].contains("--disk /dev/sdb"))
    #expect(actions[2] == "pve-sb-uki config set Removable yes && pve-sb-uki apply")
    #expect(survey.commands(.noBootPath) == [actions[2]])
  }

  @Test func entriesForMembersLeadToTheUKI() throws {
    let scene = try array()
    for index in 0...1 {
      let file = DevicePath.File(partition: Self.member(UInt16(index)).location, path: PathScene.newer)
      try scene.mirror.put(
        .bootOption(UInt16(index)), LoadOption(description: "Proxmox VE \(index)", file: file).serialize())
    }
    try scene.order(0, 1)
    let survey = try scene.survey()
    #expect(survey.paths.allSatisfy { $0.outcome == .starts && $0.leadsToUKI && $0.isOurs })
    #expect(
      survey.texts(.remark).contains(
        "1111-AAA1 cannot have boot entries: it is on the RAID array md0; its UKI is reached by: Boot0000, Boot0001"))
    #expect(survey.kinds.isEmpty, "\(survey.findings.map(\.message))")
    // Metadata at the start hides the file system from the firmware.
    var hidden = scene
    hidden.members = [Self.member(0, isReadable: false), Self.member(1, isReadable: false)]
    let blind = try hidden.survey()
    #expect(blind.kinds == [.noBootPath, .espWithoutEntry, .bootPathBroken, .bootPathBroken])
    #expect(blind.paths[0].failing?.reason == "the RAID array on its partition has its metadata at the start")
    #expect(blind.commands(.espWithoutEntry) == ["pve-sb-uki config set Removable yes && pve-sb-uki apply"])
  }

  @Test func aRemovablePathOnAnArrayCounts() throws {
    let scene = try array()
    try scene.write("/EFI/BOOT/BOOTX64.EFI", scene.read(PathScene.newer))
    let survey = try scene.survey()
    #expect(survey.kinds.isEmpty, "\(survey.findings.map(\.message))")
    #expect(survey.texts(.remark).contains { $0.hasSuffix("its UKI is reached by: removable path of 1111-AAA1") })
  }

  /// A partition of another disk, known from its table only.
  @Test func theRemovablePathOfAnotherDiskIsFollowed() throws {
    var scene = try PathScene()
    let location = PartitionLocation(number: 1, startBlock: 2048, blockCount: 4096, guid: GUID(7, 7, 7, 7))
    scene.others = [SystemPartition(device: "/dev/disk/by-partuuid/\(location.name)", location: location)]
    let image = try FATImage(.fat12)
    let sector = try FATBootSector(
      parsing: image.device().readBytes(at: 0, count: FATBootSector.byteCount, format: "x"))
    try scene.mirror.directory.write(
      "dev/disk/by-partuuid/\(location.name)/EFI/BOOT/bootx64.efi", scene.read(PathScene.newer))
    scene.content = .fat(sector)
    let survey = try scene.survey()
    let path = try #require(survey.paths.last)
    #expect(path.origin == .removable(location.name) && path.outcome == .starts, "\(path.line)")
    #expect(path.steps.map(\.program) == [.foreignImage])
    // Firmware reads FAT only.
    scene.content = .other
    #expect(try scene.survey().paths.last?.origin != .removable(location.name))
    let file = DevicePath.File(partition: location, path: "/EFI/BOOT/BOOTX64.EFI")
    try scene.mirror.put(.bootOption(9), LoadOption(description: "x", file: file).serialize())
    try scene.order(9)
    #expect(
      try scene.survey().path(9)?.failing?.reason == "its partition has no FAT file system, which firmware requires")
  }

  @Test func copiesOfADiskAreReported() throws {
    var scene = try PathScene()
    let location = PartitionLocation(number: 1, startBlock: 2048, blockCount: 4096, guid: GUID(7, 7, 7, 7))
    scene.others = ["/dev/sdx1", "/dev/sdy1"].map { SystemPartition(device: $0, location: location) }
    #expect(try scene.survey().kinds == [.duplicateEntries])
    scene.others = []
    let own = try scene.ownNumbers()
    var moved = MirrorScene.location(0)
    moved.startBlock += 2048
    let file = DevicePath.File(partition: moved, path: PathScene.newer)
    try scene.mirror.put(.bootOption(9), LoadOption(description: "x", file: file).serialize())
    try scene.order(own[0], own[1], 9)
    let survey = try scene.survey()
    #expect(survey.kinds == [.duplicateEntries], "\(survey.findings.map(\.message))")
  }

  /// A disk with an MBR: its signature and the partition's number identify the ESP.
  @Test func anMBRDiskHasEntries() throws {
    var scene = try PathScene(isApplied: false)
    let location = PartitionLocation(number: 1, startBlock: 2048, blockCount: 4096, diskSignature: 0x1234_abcd)
    scene.location = location
    try scene.mirror.directory.write("etc/kernel/proxmox-boot-uuids", PathScene.first)
    try scene.mirror.apply(on: scene.host())
    let survey = try scene.survey()
    #expect(survey.next?.leadsToUKI == true && survey.next?.outcome == .starts)
    #expect(survey.next?.devicePath?.hasPrefix("HD(1,MBR,0x1234abcd,") == true)
    #expect(survey.kinds.isEmpty, "\(survey.findings.map(\.message))")
  }

  /// Today's hole: such an ESP had no entry and no note.
  @Test func aDirectoryAsESPIsReported() throws {
    let scene = try PathScene()
    try FileSystem().remove(scene.mirror.directory.path(of: "etc/kernel/proxmox-boot-uuids"))
    try scene.mirror.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Esp=/boot/efi\n")
    let survey = try scene.survey()
    #expect(survey.texts(.espWithoutEntry).count == 1)
    #expect(survey.texts(.espWithoutEntry)[0].contains("/boot/efi cannot have boot entries: it is a directory"))
  }
}
