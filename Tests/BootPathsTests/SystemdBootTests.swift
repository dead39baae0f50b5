// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import BootPaths
import EFIData
import Findings
import HostScenes
import HostSystem
import Messages
import TestSupport
import Testing

/// What systemd-boot starts, in the order of its sources (systemd 257, src/boot/boot.c).
@Suite struct SystemdBootTests {
  let scene: PathScene
  private static let loader = "/EFI/systemd/systemd-bootx64.efi"

  /// systemd-boot on the first ESP, with the host's signature, and two UKIs of pve-sb-uki.
  init() throws {
    scene = try PathScene()
    try scene.write(Self.loader, scene.signed(Fixture.systemdBoot257.bytes()))
    try scene.put(9, label: "Linux Boot Manager", path: Self.loader)
    try scene.order(9)
  }

  private func path() throws -> BootPath { try #require(try scene.survey().path(9)) }
  /// The file that systemd-boot starts.
  private func started() throws -> String? { try path().steps.last?.path }

  private func putEntry(_ name: String, _ text: String) throws {
    try scene.write("/loader/entries/\(name)", Array(text.utf8))
  }
  private func putKernel() throws { try scene.write("/EFI/debian/vmlinuz", scene.signed(Fixture.kernel612.bytes())) }

  @Test func theNewestUKIStarts() throws {
    let path = try path()
    #expect(path.steps.map(\.program) == [.systemdBoot, .ownImage] && path.outcome == .starts)
    #expect(path.steps.last?.path == PathScene.newer && path.leadsToUKI)
    #expect(path.alternatives.map(\.path) == [PathScene.older])
    #expect(path.line.description == "Boot0009  systemd-boot, then UKI: starts")
  }

  @Test func theDefaultIsChosenInTheOrderOfItsSources() throws {
    func set(_ variable: EFIVariableName, _ text: String) throws {
      try scene.mirror.put(variable, EFIText.serialize(text))
    }
    try scene.write("/loader/loader.conf", Array("timeout 3\ndefault pve-6.8.12-9-*\n".utf8))
    #expect(try started() == PathScene.older)
    try set(.loaderEntryDefault, "PVE-6.8.12-10-pve.efi")
    #expect(try started() == PathScene.newer)
    try set(.loaderEntryOneShot, "pve-6.8.12-9-pve.efi")
    #expect(try started() == PathScene.older)
    // A default that matches nothing is passed by.
    try set(.loaderEntryOneShot, "none")
    #expect(try started() == PathScene.newer)
    try set(.loaderEntryDefault, "@saved")
    try set(.loaderEntryLastBooted, "pve-6.8.12-9-pve.efi")
    #expect(try started() == PathScene.older)
  }

  @Test func entriesWithoutTriesComeLast() throws {
    let newer = try scene.read(PathScene.newer)
    try scene.remove(PathScene.newer)
    try scene.write("/EFI/Linux/pve-6.8.12-10-pve+0-3.efi", newer)
    let path = try path()
    #expect(path.steps.last?.path == PathScene.older)
    #expect(path.alternatives.map(\.path) == ["/EFI/Linux/pve-6.8.12-10-pve+0-3.efi"])
    #expect(path.alternatives[0].note == "all its tries to boot are used up")
    try scene.remove("/EFI/Linux/pve-6.8.12-10-pve+0-3.efi")
    try scene.write("/EFI/Linux/pve-6.8.12-10-pve+2-1.efi", newer)
    #expect(try started() == "/EFI/Linux/pve-6.8.12-10-pve+2-1.efi")
  }

  @Test func aTypeOneEntryIsNotSignedAsAWhole() throws {
    try putKernel()
    try scene.write("/EFI/debian/initrd.img", [1])
    try putEntry(
      "debian.conf", "title Debian\nlinux /EFI/debian/vmlinuz\ninitrd /EFI/debian/initrd.img\noptions quiet\n")
    // UKIs have a sort key, so they come first.
    #expect(try started() == PathScene.newer)
    try scene.write("/loader/loader.conf", Array("default debian.conf\n".utf8))
    let own = try scene.mirror.variables().entries.first { $0.option?.file?.path == PathScene.newer }?.number ?? 0
    try scene.order(9, own)
    let survey = try scene.survey()
    let path = try #require(survey.path(9))
    #expect(
      path.steps.map(\.program) == [.systemdBoot, .kernel] && path.outcome == .starts, "\(path.steps.map(\.line))")
    #expect(path.steps.last?.note == "its initrd and command line are not signed")
    #expect(survey.kinds == [.unsignedEntryFirst], "\(survey.findings.map(\.message))")
    #expect(survey.commands(.unsignedEntryFirst) == ["pve-sb-uki apply"])
  }

  /// No other entry leads to a UKI, but the menu has one.
  @Test func aTypeOneDefaultOfTheOnlyLoaderIsReported() throws {
    try putKernel()
    try putEntry("debian.conf", "linux /EFI/debian/vmlinuz\n")
    try scene.write("/loader/loader.conf", Array("default debian.conf\n".utf8))
    #expect(try scene.survey().kinds == [.unsignedEntryFirst])
  }

  @Test func entriesThatSystemdBootHidesAreIgnored() throws {
    try scene.write("/EFI/Linux/zz-hidden.efi", scene.signed(Fixture.stub257.bytes()))
    try scene.write("/EFI/Linux/zz-text.efi", Array("text".utf8))
    try putEntry("zz.conf", "linux /EFI/none\nsort-key aaa\n")
    try putEntry("arm.conf", "linux /EFI/debian/vmlinuz\nsort-key aaa\narchitecture aa64\n")
    try putEntry("auto-x.conf", "linux /EFI/debian/vmlinuz\nsort-key aaa\n")
    try putKernel()
    let path = try path()
    #expect(path.steps.last?.path == PathScene.newer && path.alternatives.count == 1)
    try putEntry("x64.conf", "linux /EFI/debian/vmlinuz\nsort-key aaa\narchitecture x64\n")
    #expect(try started() == "/EFI/debian/vmlinuz")
  }

  @Test func aMissingInitrdAndAnEmptyMenuLeadNowhere() throws {
    try putKernel()
    try putEntry("x.conf", "linux /EFI/debian/vmlinuz\ninitrd /none\nsort-key aaa\n")
    #expect(try path().failing?.reason == "its initrd /none does not exist")
    #expect(try path().outcome == .broken)
    try scene.remove("/loader/entries/x.conf")
    for name in [PathScene.newer, PathScene.older] { try scene.remove(name) }
    let path = try path()
    #expect(path.outcome == .broken && path.failing?.reason == "systemd-boot finds no entry on 1111-AAA1")
  }

  /// Debian signs no systemd-boot for owners of keys: without a signature the firmware rejects it.
  @Test func anUnsignedLoaderIsRejected() throws {
    try scene.write(Self.loader, Fixture.systemdBoot257.bytes())
    let path = try path()
    #expect(path.outcome == .rejected && path.steps.map(\.program) == [.systemdBoot, .ownImage])
  }

  @Test(arguments: Fixture.systemdBoots) func bothVersionsAreRecognised(_ fixture: Fixture) throws {
    try scene.write("/EFI/x/a.efi", scene.signed(fixture.bytes()))
    try scene.put(9, label: "x", path: "/EFI/x/a.efi")
    #expect(try path().steps.first?.program == .systemdBoot)
  }

  /// systemd-boot asks shim about its entries, which then need no SBAT data.
  @Test func throughShimTheEntriesAreJudgedByShim() throws {
    try scene.write("/EFI/x/shimx64.efi", Fixture.bytes(of: "shim-trixie"))
    try scene.put(
      9, label: "x", path: "/EFI/x/shimx64.efi", data: EFIText.serialize("\\EFI\\systemd\\systemd-bootx64.efi"))
    let path = try path()
    #expect(path.steps.map(\.program) == [.shim, .systemdBoot, .ownImage] && path.outcome == .starts)
  }

  @Test func programsThatStartEachOtherEnd() throws {
    try putEntry("loop.conf", "efi /EFI/systemd/systemd-bootx64.efi\nsort-key aaa\n")
    let path = try path()
    #expect(path.steps.count == 7 && path.outcome == .unknown)
    #expect(path.failing?.reason.contains("loop") == true)
  }
}
