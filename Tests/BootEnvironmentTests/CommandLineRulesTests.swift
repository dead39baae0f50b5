// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import HostSystem
internal import Messages
import TestSupport
import Testing

@Suite struct CommandLineRulesTests {
  let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  private static let path = "/etc/kernel/cmdline"

  /// `severity: detail` of each finding, in a root without devices unless the test creates some.
  private func findings(_ text: String, isRunning: Bool = false) throws -> [String] {
    var host = try directory.host()
    host.isRunningSystem = isRunning
    let line = CommandLine(parts: [CommandLine.Part(path: Self.path, text: text)])
    return CommandLineRules(lengthLimit: 2047, host: host).findings(in: line, namedLike: Self.path).map {
      "\($0.severity): \($0)"
    }
  }

  /// Each word is added to a valid line.
  @Test(
    arguments: [
      ("init=/bin/sh", "error", "instead of the system"), ("init=/sbin/init", nil, ""),
      ("init=/lib/systemd/systemd", nil, ""), ("rdinit=/bin/sh", "error", "initrd"), ("single", "error", "maintenance"),
      ("1", "error", "maintenance"), ("s", "error", "maintenance"), ("S", "error", "maintenance"),
      ("-b", "error", "maintenance"), ("rescue", "error", "maintenance"), ("emergency", "error", "maintenance"),
      ("systemd.unit=rescue.target", "error", "maintenance"), ("systemd.unit=multi-user.target", nil, ""),
      ("rd.systemd.unit=emergency.target", "error", "maintenance"), ("rd.break", "error", "shell"),
      ("rd.break=pre-mount", "error", "shell"), ("break=premount", "error", "shell"), ("break", "error", "shell"),
      ("systemd.debug_shell", "error", "password"), ("systemd.debug-shell=1", "error", "password"),
      ("systemd.debug_shell=no", nil, ""), ("systemd.run=/bin/true", "error", "command"), ("rd.shell", nil, ""),
      ("initrd=\\EFI\\x.img", "error", "boot loader"), ("BOOT_IMAGE=/vmlinuz", "error", "boot loader"),
      ("noinitrd", "error", "initrd"), ("module.sig_enforce=0", "warning", "no effect"),
      ("module.sig_enforce=1", nil, ""), ("lockdown=none", "warning", "no effect"), ("lockdown=integrity", nil, ""),
      ("mitigations=off", nil, ""), ("nokaslr", "warning", "addresses"), ("apparmor=0", "warning", "containers"),
      ("efi=debug,noruntime", "warning", "variables"), ("noefi", "warning", "variables"), ("vga=788", "warning", "EFI"),
      ("-- x", "warning", "init"), ("systemd.log_level=debug", nil, ""), ("quiet splash", nil, ""),
      ("intel_iommu=on iommu=pt hugepages=64", nil, ""), ("console=ttyS0,115200n8", nil, ""),
      ("dyndbg=\"file init=/bin/sh +p\"", nil, ""), ("video=efifb:off", nil, ""), ("interfaces=1", nil, ""),
    ] as [(String, String?, String)])
  func wordsAreChecked(word: String, severity: String?, reason: String) throws {
    let findings = try findings("root=/dev/sda1 ro \(word)")
    guard let severity else { return #expect(findings.isEmpty) }
    let text = try #require(findings.first)
    #expect(findings.count == 1 && text.hasPrefix("\(severity): '") && text.contains(reason))
  }

  /// From the boot menus of these systems, without BOOT_IMAGE= and initrd=, as in /proc/cmdline.
  @Test(arguments: [
    ("boot=live components quiet splash findiso=", 3), ("boot=live components memtest noapic", 2),
    ("boot=casper iso-scan/filename=/x.iso maybe-ubiquity quiet splash ---", 4),
    ("root=live:CDLABEL=Fedora rd.live.image quiet", 2), ("ro ramdisk_size=16777216 rw quiet splash=silent", 2),
    ("ro ramdisk_size=16777216 rw splash=verbose proxdebug vga=788", 4),
    ("ramdisk_size=16777216 rw quiet splash=silent proxmox-start-auto-installer", 3),
    ("auto=true priority=critical vga=788 --- quiet", 5),
    ("root=/dev/sda1 preseed/url=http://x/p.cfg netcfg/get_hostname=x DEBIAN_FRONTEND=text", 3),
    ("root=/dev/ram0 live-media=/dev/sr0", 2),
  ])
  func linesOfLiveSystemsAndInstallersAreRejected(line: String, count: Int) throws {
    let findings = try findings(line)
    #expect(findings.count == count && findings.contains { $0.hasPrefix("error: ") })
  }

  @Test(arguments: [
    ("ro quiet", "root= is missing"), ("root= ro", "names no root"), ("root ro", "names no root"),
    ("boot=local quiet", "root= is missing"), ("mount.usr=/dev/sda2 quiet", "root= is missing"),
    ("root=gpt-auto", "initramfs-tools does not support"),
  ])
  func aMissingRootFileSystemIsAnError(line: String, reason: String) throws {
    let found = try findings(line)
    #expect(found.count == 1 && found[0].hasPrefix("error: ") && found[0].contains(reason))
  }

  /// OpenZFS's initrd script finds the pool itself; the others have their root on the network.
  @Test(arguments: [
    "boot=zfs", "boot=zfs rpool=tank", "bootfs=tank/root", "root=ZFS=rpool/ROOT/pve-1 boot=zfs", "root=zfs:AUTO",
    "root=rpool/ROOT/pve-1 boot=zfs", "root=/dev/nfs nfsroot=10.0.0.1:/x ip=dhcp", "boot=nfs", "root=/dev/sda1",
    "root=UUID=0a3407de-014b-458b-b5c1-848e92a327a3", "root=8:1", "netroot=iscsi:x",
  ])
  func otherFormsOfRootAreAccepted(line: String) throws {
    #expect(try findings(line).filter { $0.hasPrefix("error: ") }.isEmpty)
  }

  @Test func onlyDracutFindsTheRootItself() throws {
    try directory.write("usr/bin/dracut", "")
    #expect(try findings("quiet").map { String($0.prefix(8)) } == ["warning:"])
    #expect(try findings("root=gpt-auto").isEmpty)
    try directory.write("usr/sbin/mkinitramfs", "")
    #expect(try findings("quiet").map { String($0.prefix(6)) } == ["error:"])
  }

  @Test(arguments: [
    ("root=/dev/sda1 a\nb", "a line break at byte 16"), ("root=/dev/sda1\u{0}", "a NUL byte"),
    ("root=/dev/sda1 \u{1b}[2J", "control character 27"), ("root=/dev/sda1\r", "control character 13"),
    ("root=/dev/sda1 x=\u{e0}", "splits the word there"), ("root=/dev/sda1\u{a0}x", "splits the word there"),
    ("root=/dev/sda1 \u{fffd}", "UTF-8"), ("\u{feff}root=/dev/sda1", "byte order mark"), ("#root=/dev/sda1", "comment"),
    ("root=/dev/sda1 x=\"a b", "quotation mark"), ("", "empty"),
  ])
  func linesThatTheKernelRejectsAreImpossible(line: String, reason: String) throws {
    let found = try findings(line)
    #expect(found.count == 1 && found[0].hasPrefix("impossible: ") && found[0].contains(reason))
  }

  @Test func nonASCIILettersAreAccepted() throws { #expect(try findings("root=LABEL=W\u{fc}rfel").isEmpty) }

  @Test func theLengthLimitIsExact() throws {
    let line = "root=/dev/sda1 x="
    #expect(try findings(line + String(repeating: "a", count: 2047 - line.utf8.count)).isEmpty)
    let found = try findings(line + String(repeating: "a", count: 2048 - line.utf8.count))
    #expect(found == ["impossible: the command line has 2048 bytes; the kernel accepts at most 2047"])
  }

  @Test func theLastOfSeveralRootsTakesEffect() throws {
    let found = try findings("root=/dev/sda1 root=/dev/sdb1 quiet")
    #expect(found.count == 1 && found[0].hasPrefix("warning: root= occurs 2 times"))
    #expect(found[0].contains("'root=/dev/sdb1'"))
  }

  @Test func findingsNameTheFileOfTheWord() throws {
    let line = CommandLine(parts: [
      CommandLine.Part(path: Self.path, text: "root=/dev/sda1"),
      CommandLine.Part(path: "/etc/kernel/cmdline.d/a.conf", text: "rd.break"),
    ])
    let found = try CommandLineRules(lengthLimit: 2047, host: directory.host()).findings(
      in: line, namedLike: Self.path)
    #expect(found.map(\.path) == ["/etc/kernel/cmdline.d/a.conf"])
    #expect(found.first?.description.hasPrefix("/etc/kernel/cmdline.d/a.conf: 'rd.break' ") == true)
  }
}
