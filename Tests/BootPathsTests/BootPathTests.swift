// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import BootPaths
import Cryptography
import EFIData
import Findings
import HostCommands
import HostScenes
import HostSystem
import Messages
import TestSupport
import Testing

/// Machines whose paths all start, with real boot loaders.
@Suite struct BootPathTests {
  @Test func directEntriesOnTwoESPsStart() throws {
    let scene = try PathScene()
    let survey = try scene.survey()
    #expect(survey.isEnforced)
    let own = try scene.ownNumbers()
    #expect(own.count == 4)
    for number in own {
      let path = try #require(survey.path(number))
      #expect(path.outcome == .starts && path.isOurs && path.leadsToUKI, "\(path.line)")
      #expect(path.steps.map(\.program) == [.ownImage])
    }
    #expect(survey.next?.number == own[0])
    // The entry of GRUB comes last and leads nowhere; the firmware never gets there.
    #expect(survey.path(0)?.outcome == .broken)
    #expect(survey.kinds.isEmpty, "\(survey.findings.map(\.message))")
  }

  @Test func shimAndGRUBOfProxmoxStart() throws {
    let scene = try PathScene(isApplied: false)
    try scene.installProxmox()
    let survey = try scene.survey()
    let path = try #require(survey.path(0))
    #expect(path.steps.map(\.program) == [.shim, .grub], "\(path.steps.map(\.line))")
    #expect(path.outcome == .starts && !path.leadsToUKI)
    #expect(path.line.description == "Boot0000  shim, then GRUB: starts")
    #expect(path.steps[0].reason.contains("Microsoft") && path.steps[1].reason.contains("Debian"))
    #expect(path.steps[1].note?.contains("/EFI/proxmox/grub.cfg") == true)
    #expect(survey.next?.number == 0)
    // Without UKIs there is nothing that should come before it.
    #expect(survey.kinds.isEmpty, "\(survey.findings.map(\.message))")
  }

  @Test func aForeignEntryBeforeTheUKIsIsReported() throws {
    let scene = try PathScene()
    try scene.installProxmox()
    let own = try scene.ownNumbers()
    try scene.order(0, own[0])
    let survey = try scene.survey()
    #expect(survey.texts(.foreignEntryFirst) == ["Boot0000 starts before the UKIs: shim, then GRUB"])
    #expect(survey.commands(.foreignEntryFirst) == ["pve-sb-uki apply"])
    #expect(survey.next?.number == 0)
    try scene.order(own[0], 0)
    #expect(try scene.survey().kinds.isEmpty)
    // BootNext overrides the order once.
    try scene.mirror.put(.bootNext, BootOrder([0]).serialize())
    let once = try scene.survey()
    #expect(once.next?.origin == .next(0))
    #expect(once.commands(.foreignEntryFirst) == ["efibootmgr --delete-bootnext"])
  }

  @Test func applyEndsTheComplaintAboutAForeignEntry() throws {
    let scene = try PathScene()
    try scene.installProxmox()
    let own = try scene.ownNumbers()
    try scene.order(0, own[0], own[1], own[2], own[3])
    #expect(try scene.survey().kinds == [.foreignEntryFirst])
    try scene.mirror.apply(on: scene.host())
    #expect(try scene.survey().kinds.isEmpty)
  }

  @Test func fwupdAsBootNextIsExpected() throws {
    let scene = try PathScene()
    try scene.installProxmox()
    try scene.write("/EFI/proxmox/fwupdx64.efi", Fixture.bytes(of: "fwupd-trixie"))
    try scene.put(
      7, label: "Linux Firmware Updater", path: "/EFI/proxmox/shimx64.efi", data: EFIText.serialize(#"\fwupdx64.efi"#))
    try scene.mirror.put(.bootNext, BootOrder([7]).serialize())
    let survey = try scene.survey()
    let path = try #require(survey.paths.first)
    #expect(path.origin == .next(7) && path.steps.map(\.program) == [.shim, .fwupd] && path.outcome == .starts)
    #expect(survey.kinds.isEmpty, "\(survey.findings.map(\.message))")
  }

  @Test func shimStartsTheUKIInItsLoadOption() throws {
    let scene = try PathScene()
    try scene.installProxmox()
    try scene.put(
      7, label: "Proxmox VE", path: "/EFI/proxmox/shimx64.efi",
      data: EFIText.serialize(#"\EFI\Linux\pve-6.8.12-10-pve.efi"#))
    try scene.order(7)
    let path = try #require(try scene.survey().path(7))
    #expect(path.steps.map(\.program) == [.shim, .ownImage] && path.outcome == .starts, "\(path.steps.map(\.line))")
    // The same file, missing: shim starts its default.
    try scene.put(
      7, label: "Proxmox VE", path: "/EFI/proxmox/shimx64.efi", data: EFIText.serialize(#"\EFI\Linux\pve-none.efi"#))
    let other = try #require(try scene.survey().path(7))
    #expect(other.steps.map(\.program) == [.shim, .grub])
    #expect(other.steps[0].note?.contains("/EFI/Linux/pve-none.efi does not exist") == true)
  }

  @Test func theRemovablePathIsTheLastResort() throws {
    let scene = try PathScene()
    let uki = try scene.read(PathScene.newer)
    try scene.write("/EFI/BOOT/BOOTX64.EFI", uki)
    for number in try scene.mirror.variables().order { try scene.mirror.put(.bootOption(number), []) }
    try scene.mirror.put(.bootOrder, [])
    let survey = try scene.survey()
    #expect(survey.paths.map(\.origin) == [.removable(PathScene.first)])
    #expect(survey.next?.leadsToUKI == true && survey.next?.outcome == .starts)
    #expect(survey.paths[0].name.description == "removable path of 1111-AAA1")
    #expect(survey.kinds.isEmpty, "\(survey.findings.map(\.message))")
  }

  @Test func shimStartsItsFallbackFromTheRemovablePath() throws {
    let scene = try PathScene()
    try scene.write("/EFI/BOOT/BOOTX64.EFI", Fixture.bytes(of: "shim-trixie"))
    try scene.write("/EFI/BOOT/grubx64.efi", scene.read(PathScene.newer))
    func programs() throws -> [BootStep.Program] {
      try #require(try scene.survey().paths.last).steps.map(\.program)
    }
    #expect(try programs() == [.shim, .ownImage])
    try scene.write("/EFI/BOOT/fbx64.efi", Fixture.bytes(of: "stub-trixie"))
    #expect(try programs() == [.shim, .fallback])
  }

  @Test func partsOfTheFirmwareAndTheNetworkAreNamed() throws {
    let scene = try PathScene()
    let own = try scene.ownNumbers()
    func put(_ number: UInt16, _ nodes: [DevicePathNode], attributes: UInt32 = 1) throws {
      var writer = ByteWriter()
      DevicePath(nodes: nodes).serialize(into: &writer)
      let path = writer.bytes
      try scene.mirror.put(
        .bootOption(number),
        [UInt8(attributes & 0xff), UInt8(attributes >> 8), 0, 0, UInt8(path.count & 0xff), UInt8(path.count >> 8)]
          + EFIText.serialize("x") + path)
    }
    let pci = [
      try DevicePathNode(type: 2, subtype: 1, data: [0xd0, 0x41, 3, 0x0a, 0, 0, 0, 0]),
      try DevicePathNode(type: 1, subtype: 1, data: [0, 3]),
    ]
    let guid = [UInt8](repeating: 7, count: 16)
    try put(0x10, [try .init(type: 4, subtype: 7, data: guid), try .init(type: 4, subtype: 6, data: guid)])
    try put(0x11, pci + [try .init(type: 3, subtype: 11, data: [UInt8](repeating: 0, count: 33))])
    try put(0x12, pci + [try .init(type: 3, subtype: 24, data: Array("http://x/".utf8))])
    try put(0x13, [try .init(type: 5, subtype: 1, data: [2, 0, 0, 0, 0])])
    try put(0x14, [try .init(type: 3, subtype: 15, data: [UInt8](repeating: 0xff, count: 7))])
    try put(0x15, [try .init(type: 4, subtype: 6, data: guid)], attributes: 0x101)
    try put(0x16, [try .init(type: 4, subtype: 6, data: guid)], attributes: 0)
    try scene.order(0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, own[0])
    let survey = try scene.survey()
    let programs = try (UInt16(0x10)...0x14).map { try #require(survey.path($0)).steps.map(\.program) }
    #expect(programs == [[.firmware], [.network], [.network], [.device], [.device]])
    #expect(survey.path(0x15)?.outcome == .skipped && survey.path(0x16)?.outcome == .skipped)
    #expect(survey.next?.number == own[0])
    #expect(survey.kinds.isEmpty, "\(survey.findings.map(\.message))")
  }

  @Test func driversAndPreparationsAreFollowed() throws {
    let scene = try PathScene()
    let file = DevicePath.File(partition: MirrorScene.location(0), path: "/EFI/drivers/none.efi")
    try scene.mirror.put(.driverOrder, BootOrder([1]).serialize())
    try scene.mirror.put(.driverOption(1), LoadOption(description: "driver", file: file).serialize())
    try scene.mirror.put(.systemPreparationOrder, BootOrder([2, 2, 3]).serialize())
    try scene.mirror.put(.systemPreparationOption(2), LoadOption(description: "tool", file: file).serialize())
    let survey = try scene.survey()
    #expect(survey.preparations.map(\.name.description) == ["Driver0001", "SysPrep0002", "SysPrep0003"])
    #expect(survey.preparations.allSatisfy { $0.outcome == .broken })
    #expect(survey.texts(.remark).count == 3)
  }

  @Test func withSecureBootOffTheOutcomeIsSaidForBoth() throws {
    let scene = try PathScene(isEnforced: false)
    let own = try scene.ownNumbers()
    try scene.put(9, label: "unsigned", path: "/EFI/x/stub.efi")
    try scene.write("/EFI/x/stub.efi", Fixture.stub257.bytes())
    try scene.order(own[0], 9)
    let path = try #require(try scene.survey().path(9))
    #expect(path.outcome == .starts && path.outcomeIfEnforced == .rejected)
    #expect(path.outcomeWord.description == "starts; rejected with Secure Boot on")
    // A missing file stops the machine now; a signature would only stop it later.
    try scene.write("/EFI/y/shimx64.efi", Fixture.bytes(of: "shim-trixie"))
    try scene.mirror.put(
      .signatureDatabase,
      SignatureDatabase(
        certificates: [scene.mirror.scene.key.certificate.der], owner: MirrorScene.location(0).guid
      ).serialize())
    try scene.put(9, label: "unsigned", path: "/EFI/y/shimx64.efi")
    let broken = try #require(try scene.survey().path(9))
    #expect(broken.outcome == .broken && broken.outcomeIfEnforced == .rejected)
    #expect(broken.failing?.path == "/EFI/y/grubx64.efi")
  }

  @Test func digestsFromTheManifestSaveReading() throws {
    let scene = try PathScene()
    let quick = try scene.survey(readsAll: false)
    let own = try scene.ownNumbers()
    #expect(quick.path(own[0])?.outcome == .starts)
    // A byte of the initrd that keeps size and time: only reading notices.
    let name = scene.mirror.directory.path(of: scene.mirror.path(PathScene.first, PathScene.newer))
    var bytes = try scene.read(PathScene.newer)
    let initrd = try #require(bytes.indices.first { bytes[$0...].starts(with: "070701".utf8) })
    bytes[initrd] ^= 1
    let stamp = try ScratchFile()
    try ExternalTool("touch").run(["-r", name, stamp.path])
    try ScratchFile(bytes).copy(to: name)
    try ExternalTool("touch").run(["-r", stamp.path, name])
    #expect(try scene.survey(readsAll: false).path(own[0])?.outcome == .starts)
    #expect(try scene.survey(readsAll: true).path(own[0])?.outcome == .rejected)
    // status knows from reading it.
    let status = try Status().run(on: scene.mirror.host())
    #expect(status.paths.first { $0.number == own[0] }?.outcome == .rejected)
    #expect(status.reboot?.reason.contains(PathScene.second) == true, "\(status.reboot?.reason ?? "none")")
    // A copy is recognised by its headers and signatures.
    try scene.write("/EFI/BOOT/BOOTX64.EFI", scene.read(PathScene.older))
    let copy = try #require(try scene.survey(readsAll: false).paths.last)
    #expect(copy.origin == .removable(PathScene.first) && copy.leadsToUKI && copy.outcome == .starts)
  }
}

extension ScratchFile {
  /// Overwrites the content of an existing file.
  func copy(to path: String) throws { try ExternalTool("cp").run(["--no-preserve=all", self.path, path]) }
}
