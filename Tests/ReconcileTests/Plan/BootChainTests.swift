// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import EFIData
import HostScenes
import HostSystem
import PortableExecutable
import Reconcile
import TestSupport
import Testing

@Suite struct BootChainTests {
  private static let every: [BootChain] = [
    .direct, .systemdBoot, .shim(starting: .image), .shim(starting: .systemdBoot),
  ]

  @Test(
    arguments: [
      (.auto, false, false, .direct), (.auto, true, false, .systemdBoot), (.auto, false, true, .shim(starting: .image)),
      (.auto, true, true, .shim(starting: .systemdBoot)), (.direct, true, true, .direct),
      (.systemdBoot, false, true, .systemdBoot), (.shim, false, false, .shim(starting: .image)),
      (.shim, true, false, .shim(starting: .systemdBoot)),
    ] as [(Configuration.Chain, Bool, Bool, BootChain)])
  func autoKeepsTheHostsChain(
    setting: Configuration.Chain, usesSystemdBoot: Bool, needsShim: Bool, chain: BootChain
  ) {
    #expect(BootChain.decide(setting, usesSystemdBoot: usesSystemdBoot, needsShim: needsShim) == chain)
  }

  @Test func chainsAreNamedAsInTheSettings() {
    #expect(Self.every.map(\.description) == ["direct", "systemd-boot", "shim", "shim, systemd-boot"])
  }

  /// Files on an ESP, LoaderInfo, the UKI in StubInfo; whether systemd-boot is in use.
  @Test(
    arguments: [
      ([], nil, false, false), (["EFI/systemd/systemd-bootx64.efi"], nil, false, true),
      (["loader/loader.conf"], nil, false, true),
      (["loader/loader.conf", "EFI/proxmox/grubx64.efi"], nil, false, false),
      // How the machine was booted takes precedence over the contents of an ESP.
      (["loader/loader.conf"], nil, true, false), (["loader/loader.conf"], "GRUB 2.12", false, false),
      ([], "systemd-boot 257.9", false, true), ([], "systemd-boot 257.9", true, true),
    ] as [([String], String?, Bool, Bool)])
  func systemdBootIsDetected(files: [String], loader: String?, isUnified: Bool, isInUse: Bool) throws {
    let root = try TemporaryDirectory()
    func put(_ variable: EFIVariableName, _ text: String) throws {
      let content = EFIVariableContent(attributes: [], data: EFIText.serialize(text))
      try root.write("sys/firmware/efi/efivars/\(variable.fileName)", content.serialize())
    }
    try root.write("proc/stat", "btime 1763712000\n")
    try put(.bootCurrent, "")
    if let loader { try put(.loaderInfo, loader) }
    if isUnified {
      try put(.stubInfo, "systemd-stub 252")
      try put(.loaderImageIdentifier, "\\EFI\\Linux\\pve-6.8.12-4-pve.efi")
    }
    try root.write("esp/EFI/BOOT/BOOTX64.EFI", "")
    for file in files { try root.write("esp/\(file)", "") }
    let host = try root.host()
    let evidence = try #require(try BootEvidence(of: host))
    #expect(
      try BootChain.usesSystemdBoot(evidence, wasUsed: false, esps: [host.files.subtree("/esp")]) == isInUse)
  }

  @Test func withoutEvidenceAnyPartitionDecides() throws {
    let root = try TemporaryDirectory()
    try root.write("a/EFI/BOOT/BOOTX64.EFI", "")
    try root.write("b/loader/loader.conf", "")
    let (a, b) = (try root.host().files.subtree("/a"), try root.host().files.subtree("/b"))
    #expect(try !BootChain.usesSystemdBoot(nil, wasUsed: false, esps: [a]))
    #expect(try BootChain.usesSystemdBoot(nil, wasUsed: false, esps: [a, b]))
  }

  private func target(_ chain: BootChain, _ name: String) throws -> BootTarget {
    chain.target(
      for: try #require(UKIName(fileName: name)), on: BootScene.first, loaders: LoaderPath(.amd64), suffix: " (ABCD)")
  }

  @Test func imagesHaveOwnEntriesExceptWithSystemdBoot() throws {
    let direct = try target(.direct, "pve-6.8.12-4-pve.efi")
    #expect(direct.path == "/EFI/Linux/pve-6.8.12-4-pve.efi" && direct.optionalData.isEmpty)
    #expect(direct.label == "Proxmox VE 6.8.12-4-pve (ABCD)" && direct.partition == BootScene.first)
    let previous = try target(.direct, "pve-6.8.12-4-pve~previous.efi")
    #expect(previous.path == "/EFI/Linux/pve-6.8.12-4-pve~previous.efi")
    #expect(previous.label == "Proxmox VE 6.8.12-4-pve previous (ABCD)")
    for chain in Self.every where chain.hasSystemdBoot {
      let target = try target(chain, "pve-6.8.12-4-pve.efi")
      #expect(try self.target(chain, "pve-6.8.12-3-pve.efi") == target)
      #expect(target.label == "Proxmox VE (systemd-boot) (ABCD)")
    }
  }

  /// Bytes from `printf '\\EFI\\Linux\\pve-1.efi\0' | iconv -t UTF-16LE`.
  @Test func optionalDataTellsShimWhatToStart() throws {
    let image = try target(.shim(starting: .image), "pve-1.efi")
    #expect(image.path == "/EFI/pve-sb-uki/shimx64.efi")
    let bytes = "5c004500460049005c004c0069006e00750078005c007000760065002d0031002e0065006600690000 00"
    #expect(image.optionalData == [UInt8](hexadecimal: bytes.split(separator: " ").joined()))
    let second = try target(.shim(starting: .systemdBoot), "pve-1.efi")
    #expect(second.path == "/EFI/pve-sb-uki/shimx64.efi")
    #expect(EFIText.parse(second.optionalData) == "\\EFI\\pve-sb-uki\\systemd-bootx64.efi")
  }

  @Test func aVariableSetsTheNextEntryOfSystemdBoot() throws {
    let image = try #require(UKIName(fileName: "pve-6.8.12-4-pve.efi"))
    #expect(BootChain.direct.oneShot(image) == nil && BootChain.shim(starting: .image).oneShot(image) == nil)
    for chain in Self.every where chain.hasSystemdBoot {
      let oneShot = try #require(chain.oneShot(image))
      #expect(oneShot.variable.fileName == "LoaderEntryOneShot-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f")
      #expect(EFIText.parse(oneShot.data) == "pve-6.8.12-4-pve.efi" && oneShot.data.suffix(2) == [0, 0])
    }
  }
}
