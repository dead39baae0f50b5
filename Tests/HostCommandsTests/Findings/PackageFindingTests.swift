// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import EFIData
import Findings
import HostCommands
import HostSystem
internal import Messages
import TestSupport
import Testing

/// Findings about packages whose scripts do not suit a host with its owner's keys.
@Suite struct PackageFindingTests {
  private var scene: MachineScene
  init() throws { scene = try MachineScene() }

  /// dpkg-query reads the same file.
  @Test func theInstalledPackagesAreThoseOfDpkg() throws {
    let text = try ExternalTool("dpkg-query").result([
      "-W", "-f", "${Package} ${Version} ${db:Status-Status}\\n",
    ]).text
    let packages = try InstalledPackages(of: FileSystem(root: "/"))
    var count = 0
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ").map(String.init)
      guard words.count == 3, words[2] == "installed" else { continue }
      count += 1
      #expect(packages[words[0]] == words[1])
    }
    #expect(count > 50 && packages["no-such-package"] == nil)
  }

  @Test(arguments: [
    ("install ok installed", true), ("hold ok installed", true), ("install ok unpacked", true),
    ("install reinstreq half-configured", true), ("deinstall ok config-files", false),
    ("purge ok not-installed", false), ("install ok half-installed", false), ("", false),
  ])
  func onlyPackagesWithFilesAreInstalled(status: String, isInstalled: Bool) {
    let text = "Package: a\nStatus: \(status)\nVersion: 1\n"
    #expect((InstalledPackages(parsing: Array(text.utf8))["a"] != nil) == isInstalled)
  }

  @Test func aDamagedStatusFileIsNoCrash() throws {
    let text = Array("Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: b\nStatus: x\n".utf8)
    for bytes in Mutations(of: text, count: 1000) { _ = InstalledPackages(parsing: bytes) }
    for count in text.indices { _ = InstalledPackages(parsing: Array(text[..<count])) }
  }

  // MARK: shim-signed

  @Test func shimsUpgradeAbortsWithOwnKeysOnly() throws {
    try scene.installPackages("shim-signed")
    try scene.root.write("usr/bin/mokutil", "")
    try scene.enrolOwnKeys()
    let finding = try #require(try scene.findings(.shimUpgradeBlocked).first)
    #expect(finding.command == "apt purge shim-signed" && finding.severity == .attention)
    try scene.setSecureBoot(false)
    #expect(try scene.findings(.shimUpgradeBlocked).isEmpty)
  }

  @Test func shimsUpgradeNeedsNoMokutilToSucceed() throws {
    try scene.installPackages("shim-signed")
    try scene.enrolOwnKeys()
    #expect(try scene.findings(.shimUpgradeBlocked).isEmpty)
  }

  /// Debian's ovmf has Microsoft's UEFI CA of 2011, which the package accepts.
  @Test func shimsUpgradeSucceedsWithMicrosoftsCertificate() throws {
    try scene.installPackages("shim-signed")
    try scene.root.write("usr/bin/mokutil", "")
    try scene.useFirmware("OVMF_VARS_4M.ms.fd")
    try scene.setSecureBoot(true)
    #expect(try scene.findings(.shimUpgradeBlocked).isEmpty)
    // With that certificate in dbx, the package's other check fails.
    let store = try VariableStore(
      parsing: FileSystem().readFile("/usr/share/OVMF/OVMF_VARS_4M.ms.fd", limit: 1 << 20))
    try scene.put(.forbiddenDatabase, store.variables[.signatureDatabase]?.data ?? [])
    #expect(try scene.findings(.shimUpgradeBlocked).first?.message.contains("dbx contains") == true)
  }

  @Test func aHostThatUsesShimKeepsIt() throws {
    var scene = scene
    try scene.installPackages("shim-signed")
    try scene.root.write("usr/bin/mokutil", "")
    try scene.enrolOwnKeys()
    scene.context.chain = .shim(starting: .image)
    let finding = try #require(try scene.findings(.shimUpgradeBlocked).first)
    #expect(finding.command == nil && finding.actions.first?.text.contains("enrol Microsoft's") == true)
  }

  // MARK: Others

  @Test func thePackageSystemdBootInterferes() throws {
    // Debian 12, where it has bootctl.
    try scene.installPackages("systemd-boot-efi", "systemd-boot")
    #expect(try scene.findings(.loaderPackageInterferes).isEmpty)
    try scene.installPackages("systemd-boot-efi", "systemd-boot-tools")
    #expect(try scene.findings(.loaderPackageInterferes).isEmpty)
    try scene.installPackages("systemd-boot-efi", "systemd-boot", "systemd-boot-tools")
    #expect(
      try scene.findings(.loaderPackageInterferes).first?.command == "apt purge systemd-boot && pve-sb-uki apply")
  }

  @Test func fwupdCannotUpdateAnOwnersLists() throws {
    try scene.installPackages("fwupd")
    try scene.useFirmware("OVMF_VARS_4M.ms.fd")
    #expect(try scene.findings(.fwupdCannotUpdate).isEmpty)
    try scene.enrolOwnKeys()
    let finding = try #require(try scene.findings(.fwupdCannotUpdate).first)
    #expect(finding.severity == .note && finding.actions.first?.text.contains("keys export") == true)
  }

  /// The real scripts: Debian 12's dracut calls no hooks, Debian 13's does.
  @Test func dracutIsReportedIfItCallsNoHooks() throws {
    try scene.root.write("usr/bin/dracut", Fixture.bytes(of: "dracut-bookworm"))
    #expect(try scene.findings(.initrdTrigger).count == 1)
    try scene.root.write("usr/sbin/update-initramfs", "")
    #expect(try scene.findings(.initrdTrigger).isEmpty)
    try FileSystem().remove(scene.root.path(of: "usr/sbin/update-initramfs"))
    try scene.root.write("usr/bin/dracut", Fixture.bytes(of: "dracut-trixie"))
    #expect(try scene.findings(.initrdTrigger).isEmpty)
  }

  @Test(arguments: [
    ("VERSION_ID=\"13\"\n", true), ("PRETTY_NAME=\"\"\n", true), ("ID=debian\n", false),
    ("PRETTY_NAME=\"Proxmox VE\"\n", false),
  ])
  func systemdBootNeedsAName(text: String, isReported: Bool) throws {
    var scene = scene
    try scene.root.write("usr/lib/os-release", text)
    #expect(try scene.findings(.osReleaseUnnamed).isEmpty)
    scene.context.chain = .systemdBoot
    #expect(try scene.findings(.osReleaseUnnamed).isEmpty != isReported)
  }
}
