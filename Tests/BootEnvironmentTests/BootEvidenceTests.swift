// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import EFIData
import TestSupport
import Testing

@Suite struct BootEvidenceTests {
  static let partition = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
  let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    try directory.write("proc/stat", "cpu  1 2 3\nintr 5 6\nctxt 7\nbtime 1763712000\nprocesses 8\n")
    try put(EFIVariableName(name: "BootCurrent", vendor: EFIVariableName.globalVendor), [0x0b, 0x00])
  }

  private func put(_ variable: EFIVariableName, _ data: [UInt8]) throws {
    let content = EFIVariableContent(attributes: [.bootServiceAccess, .runtimeAccess], data: data)
    try directory.write("sys/firmware/efi/efivars/\(variable.fileName)", content.serialize())
  }
  private func put(_ variable: EFIVariableName, _ text: String) throws { try put(variable, EFIText.serialize(text)) }
  private func load() throws -> BootEvidence? { try BootEvidence(of: directory.host()) }

  /// The variables of stub 252 if the firmware or shim starts it.
  private func putLoader(_ path: String) throws {
    try put(.loaderImageIdentifier, path)
    try put(.loaderDevicePartition, "11223344-5566-7788-99AA-BBCCDDEEFF00")
  }

  @Test func variableNamesMatchSystemd() {
    #expect(EFIVariableName.loaderInfo.fileName == "LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f")
    #expect(EFIVariableName.loaderDevicePartition.name == "LoaderDevicePartUUID")
    #expect(EFIVariableName.stubDevicePartition.name == "StubDevicePartUUID")
  }

  @Test func stub252StartedByTheFirmwareIsRecognised() throws {
    try put(.stubInfo, "systemd-stub 252.39-1~deb12u1")
    try putLoader("\\EFI\\Linux\\pve-6.8.12-4-pve.efi")
    let evidence = try #require(try load())
    #expect(evidence.imageName == "pve-6.8.12-4-pve.efi" && evidence.partition == Self.partition)
    #expect(evidence.bootTime == 1_763_712_000 && evidence.bootCurrent == 11)
    #expect(evidence.loader == nil && !evidence.isBySystemdBoot)
  }

  @Test func stub252StartedBySystemdBootIsRecognised() throws {
    try put(.loaderInfo, "systemd-boot 252.39-1~deb12u1")
    try putLoader("\\EFI\\systemd\\systemd-bootx64.efi")
    try put(.loaderEntrySelected, "pve-6.8.12-4-pve.efi")
    try put(.stubInfo, "systemd-stub 252.39-1~deb12u1")
    let evidence = try #require(try load())
    #expect(evidence.imageName == "pve-6.8.12-4-pve.efi" && evidence.isBySystemdBoot)
  }

  @Test func stub257IdentifiesItsImageItself() throws {
    try put(.loaderInfo, "systemd-boot 257.9-1~deb13u1")
    try put(.loaderImageIdentifier, "\\EFI\\systemd\\systemd-bootx64.efi")
    try put(.loaderDevicePartition, "00000000-0000-0000-0000-000000000001")
    try put(.loaderEntrySelected, "pve-6.14.8-2-pve.efi@1")
    try put(.stubInfo, "systemd-stub 257.9-1~deb13u1")
    try put(.stubImageIdentifier, "\\EFI\\Linux/pve-6.14.8-2-PVE.EFI")
    try put(.stubDevicePartition, "11223344-5566-7788-99aa-bbccddeeff00")
    let evidence = try #require(try load())
    #expect(evidence.imageName == "pve-6.14.8-2-PVE.EFI" && evidence.partition == Self.partition)
  }

  @Test func aProfileBelongsToItsImage() throws {
    try put(.loaderInfo, "systemd-boot 257.9-1~deb13u1")
    try put(.loaderEntrySelected, "pve-6.14.8-2-pve.efi@1")
    try put(.stubInfo, "systemd-stub 252")
    #expect(try load()?.imageName == "pve-6.14.8-2-pve.efi")
  }

  /// Without a stub it was not a UKI, regardless of the loader's file name.
  @Test func aTypeOneEntryIsNotAnImage() throws {
    try put(.loaderInfo, "systemd-boot 252.39-1~deb12u1")
    try putLoader("\\EFI\\systemd\\systemd-bootx64.efi")
    try put(.loaderEntrySelected, "proxmox-6.8.12-4-pve.conf")
    let evidence = try #require(try load())
    #expect(evidence.imageName == nil && evidence.isBySystemdBoot && evidence.partition == Self.partition)
  }

  @Test func anEntryOfAnotherNameIsNotAnImage() throws {
    try put(.loaderInfo, "systemd-boot 252.39-1~deb12u1")
    try put(.loaderEntrySelected, "auto-reboot-to-firmware-setup")
    try put(.stubInfo, "systemd-stub 252")
    #expect(try load()?.imageName == nil)
  }

  @Test func withoutVariablesTheEvidenceIsEmpty() throws {
    let evidence = try #require(try load())
    #expect(evidence.imageName == nil && evidence.partition == nil && evidence.loader == nil)
  }

  @Test(arguments: ["proc/stat", "sys/firmware/efi/efivars"])
  func evidenceRequiresBootTimeAndFirmware(path: String) throws {
    let bare = try TemporaryDirectory()
    if path != "proc/stat" { try bare.write("proc/stat", "btime 1763712000\n") }
    if path == "proc/stat" { try bare.write("sys/firmware/efi/efivars/Boot0000-x", "") }
    #expect(try BootEvidence(of: bare.host()) == nil)
  }

  @Test(arguments: ["", "btime\n", "btime x\n", "btime -1\n", "btime 99999999999999999999\n", "xbtime 5\n"])
  func anInvalidBootTimeIsIgnored(text: String) throws {
    try directory.write("proc/stat", text)
    #expect(try load() == nil)
  }

  @Test func damagedVariablesAreIgnored() throws {
    try put(.stubInfo, "systemd-stub 257")
    try put(.stubImageIdentifier, [0x3d, 0xd8, 0, 0])
    try put(.loaderImageIdentifier, [UInt8](repeating: 0x61, count: 1 << 17))
    try put(.stubDevicePartition, "11223344")
    try directory.write("sys/firmware/efi/efivars/\(EFIVariableName.loaderInfo.fileName)", [1, 2])
    let evidence = try #require(try load())
    #expect(evidence.imageName == nil && evidence.partition == nil && evidence.loader == nil)
  }

  @Test func mutatedVariablesNeverCrash() throws {
    try put(.stubInfo, "systemd-stub 257")
    let text = EFIText.serialize("\\EFI\\Linux\\pve-6.8.12-4-pve.efi@1")
    for bytes in Mutations(of: text, count: 300) {
      try put(.stubImageIdentifier, bytes)
      #expect(try load()?.imageName.map { $0.utf8.count <= text.count * 2 } ?? true)
    }
  }
}
