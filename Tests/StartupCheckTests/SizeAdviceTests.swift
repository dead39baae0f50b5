// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Findings
import HostSystem
internal import Messages
import StartupCheck
import TestSupport
import Testing

@Suite struct SizeAdviceTests {
  private let scene: StartupScene
  private static let line = "root=/dev/mapper/pve-root ro quiet"

  init() throws {
    scene = try StartupScene()
    try scene.directory.write("proc/cmdline", Self.line + "\n")
    try scene.directory.write("etc/initramfs-tools/initramfs.conf", "# MODULES=list\nMODULES=most\nCOMPRESS=zstd\n")
    try scene.directory.write("boot/config-\(StartupScene.release)", "CONFIG_RD_GZIP=y\nCONFIG_RD_ZSTD=y\n")
    try scene.directory.write("usr/bin/zstd", "")
    try scene.directory.write("run/udev/data/b253:1", "E:ID_FS_TYPE=ext4\n")
  }

  /// A UKI of 248 MB.
  private func image(
    _ compression: String = "Zstandard", packed: Int = 215_000_000, hardware: Int = 80,
    amd: Int = 0, intel: Int = 0, _ generator: InitrdContents.Generator = .initramfsTools
  ) throws -> StartupSurvey.Result {
    let usage = try #require(
      ImageUsage(
        size: "248000000 12000000 215000000 \(amd + intel) 0", microcode: "\(amd) \(intel)",
        content: "\(packed) 100 \(hardware) \(compression)"))
    return StartupSurvey.Result(
      kernel: scene.kernel, name: "UKI", isExamined: true, usage: usage, generator: generator, findings: [])
  }

  private func advice(
    _ image: StartupSurvey.Result, rate: Double? = nil, _ change: (inout Host) -> Void = { _ in }
  ) throws -> SizeAdvice? {
    var host = try scene.host()
    change(&host)
    return try SizeAdvice(for: image, rate: rate, on: host)
  }

  @Test func driversOfAllMachinesAreTheLargestPart() throws {
    // 12.8 s for 248 MB.
    let found = try #require(try advice(image(), rate: 12_800_000 / 248_000_000))
    #expect(found.change == .modules && found.savedBytes == 172_000_000 && found.savedTime == 8_877_419)
    let finding = found.finding
    #expect(finding.kind == .ukiLarge && finding.severity == .note)
    let text =
      "UKI has 248 MB; an initrd with only this machine's drivers saves up to 172 MB and up to 8.9 s of each start"
    #expect(finding.message.description == text)
    let path = "/etc/initramfs-tools/conf.d/zz-modules-dep"
    #expect(finding.command == "echo MODULES=dep >\(path) && update-initramfs -u -k \(StartupScene.release)")
    #expect(finding.actions.contains { $0.text.contains("fits only this machine's hardware") })
    #expect(finding.actions.last?.text.contains("rm \(path)") == true)
    #expect(
      try advice(image())?.finding.message.description == String(text.dropLast(" and up to 8.9 s of each start".count)))
  }

  /// mkinitramfs cannot find out the drivers of these, and the machine would not start.
  @Test(arguments: ["zfs rpool/ROOT/pve-1", "btrfs /dev/mapper/pve-root", "nfs server:/root"])
  func onlySimpleRootFileSystemsGetAnInitrdForOneMachine(_ mount: String) throws {
    try scene.mountRoot(mount)
    try scene.directory.write("run/udev/data/b253:1", "")
    #expect(try advice(image()) == nil)
  }

  /// The initrd lets an administrator unlock the disk over the network, which needs the driver of the network adapter.
  @Test(arguments: [
    "var/lib/dpkg/info/dropbear-initramfs.list", "var/lib/dpkg/info/clevis-initramfs.list",
    "etc/iscsi/iscsi.initramfs",
  ])
  func anInitrdThatMayNeedTheNetworkKeepsItsDrivers(_ path: String) throws {
    #expect(try advice(image())?.change == .modules)
    try scene.directory.write(path, "")
    #expect(try advice(image()) == nil)
  }

  @Test(arguments: ["ip=dhcp", "nfsroot=1.2.3.4:/root", "iscsi_initiator=a"])
  func aLineThatConfiguresTheNetworkKeepsItsDrivers(_ word: String) throws {
    try scene.directory.write("proc/cmdline", "\(Self.line) \(word)\n")
    #expect(try advice(image()) == nil)
  }

  @Test(arguments: ["root=ZFS=rpool/ROOT/pve-1 boot=zfs", "root=/dev/nfs", "quiet", "root=UUID=1"])
  func anUnknownRootIsLeftAlone(_ line: String) throws {
    try scene.directory.write("proc/cmdline", line)
    #expect(try advice(image()) == nil)
    // It may have better compression.
    #expect(try advice(image("LZ4"))?.change == .compression)
  }

  @Test func anotherRootSaysNothingAboutThisMachine() throws {
    #expect(try advice(image()) { $0.isRunningSystem = false } == nil)
  }

  @Test func theLastFileOfSettingsDecides() throws {
    try scene.directory.write("usr/share/initramfs-tools/conf.d/a", "MODULES=dep")
    #expect(try advice(image()) == nil)
    try scene.directory.write("etc/initramfs-tools/conf.d/driver-policy", " MODULES=\"most\" # all\n")
    #expect(try advice(image())?.change == .modules)
    // Masked, and not read by mkinitramfs.
    try scene.directory.write("etc/initramfs-tools/conf.d/a", "")
    for name in [".hidden", "zz.dpkg-old", "zz+"] {
      try scene.directory.write("etc/initramfs-tools/conf.d/\(name)", "MODULES=dep\n")
    }
    #expect(try InitramfsSettings(of: scene.host().files)["MODULES"] == "most")
    try scene.directory.write("etc/initramfs-tools/conf.d/zz-modules-dep", "MODULES=dep\n")
    #expect(try advice(image()) == nil)
  }

  @Test func aSmallSavingIsNotWorthASentence() throws {
    #expect(try advice(image(hardware: 13)) == nil)
    #expect(try advice(image(hardware: 14))?.savedBytes == 30_100_000)
    // A slow firmware makes it worth one: 20 s for 248 MB.
    #expect(try advice(image(hardware: 13), rate: 20_000_000 / 248_000_000)?.savedTime == 2_254_032)
  }

  @Test(arguments: [("AuthenticAMD", "intel-microcode"), ("GenuineIntel", "amd64-microcode")])
  func microcodeOfTheOtherVendorIsNotNeeded(vendor: String, package: String) throws {
    let image = try image(hardware: 1, amd: 40_000_000, intel: 35_000_000)
    #expect(try advice(image) == nil)
    try scene.directory.write("proc/cpuinfo", "processor\t: 0\nvendor_id\t: \(vendor)\n")
    #expect(try advice(image) == nil)
    try scene.directory.write("var/lib/dpkg/info/\(package).list", "")
    let found = try #require(try advice(image))
    #expect(found.change == .microcode && found.savedBytes == (vendor == "AuthenticAMD" ? 35_000_000 : 40_000_000))
    #expect(found.finding.command == "apt remove \(package) && update-initramfs -u -k all")
  }

  @Test func olderCompressionCanBeReplaced() throws {
    let found = try #require(try advice(image("gzip", hardware: 1)))
    #expect(found.change == .compression && found.finding.message.contains("zstd instead of gzip"))
    let command = "echo COMPRESS=zstd >/etc/initramfs-tools/conf.d/zz-compress-zstd && update-initramfs -u -k all"
    #expect(found.finding.command == Message(verbatim: command))
    try FileSystem().remove(scene.directory.path(of: "usr/bin/zstd"))
    #expect(
      try advice(image("gzip", hardware: 1))?.finding.command == Message(verbatim: "apt install zstd && \(command)"))
    // Uncompressed.
    #expect(try advice(image("", packed: 0, hardware: 1))?.savedBytes ?? 0 > 160_000_000)
    for name in ["Zstandard", "xz", "LZMA", "bzip2", "LZO"] { #expect(try advice(image(name, hardware: 1)) == nil) }
    try scene.directory.write("boot/config-\(StartupScene.release)", "# CONFIG_RD_ZSTD is not set\n")
    #expect(try advice(image("gzip", hardware: 1)) == nil)
  }

  @Test func dracutsInitrdsAreNotJudged() throws {
    #expect(try advice(image("gzip", .dracut)) == nil && advice(image("gzip", .unknown)) == nil)
    try FileSystem().remove(scene.directory.path(of: "usr/sbin/mkinitramfs"))
    #expect(try advice(image("gzip")) == nil)
  }

  @Test func anInitrdThatWasNotReadIsNotJudged() throws {
    let usage = ImageUsage(size: "248000000 12000000 215000000 0 0", microcode: "0 0", content: "- 0 0 gzip")
    let result = StartupSurvey.Result(
      kernel: scene.kernel, name: "UKI", isExamined: false, usage: usage, generator: .initramfsTools, findings: [])
    #expect(try advice(result) == nil)
  }
}
