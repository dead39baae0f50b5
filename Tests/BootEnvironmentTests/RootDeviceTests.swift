// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Glibc
import HostSystem
import TestSupport
import Testing

/// The devices of a machine: files serve as device nodes, with links as udev makes them.
@Suite struct RootDeviceTests {
  let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    for name in ["dev/sda2", "dev/sda3", "dev/dm-1"] { try directory.write(name, name) }
    for (link, target) in [
      ("by-uuid/0a3407de-014b-458b-b5c1-848e92a327a3", "../../sda2"), ("by-label/my\\x20root", "../../sda2"),
      ("by-partuuid/b921b045-1df0-41c3-af44-4c6f280d3fae", "../../sda2"), ("by-partlabel/swap", "../../sda3"),
    ] {
      try directory.write("dev/disk/\(link).placeholder", "")
      #expect(symlink(target, directory.path(of: "dev/disk/\(link)")) == 0)
    }
    try directory.write("dev/mapper/control", "")
    #expect(symlink("../dm-1", directory.path(of: "dev/mapper/pve-root")) == 0)
  }

  private func findings(
    _ text: String, mounted: String? = nil, at root: String = "/", isRunning: Bool? = nil
  ) throws -> [String] {
    var host = try directory.host()
    host.isRunningSystem = isRunning ?? (mounted != nil)
    if let mounted { try directory.write("proc/self/mountinfo", "22 1 254:1 \(root) / rw,relatime - \(mounted) rw\n") }
    let line = CommandLine(parts: [CommandLine.Part(path: "/etc/kernel/cmdline", text: text)])
    return CommandLineRules(lengthLimit: 2047, host: host).findings(in: line).map {
      "\($0.severity): \($0.detail)"
    }
  }

  @Test(arguments: [
    "root=/dev/sda2", "root=/dev/mapper/pve-root", "root=UUID=0a3407de-014b-458b-b5c1-848e92a327a3",
    "root=PARTUUID=b921b045-1df0-41c3-af44-4c6f280d3fae",
    "root=PARTUUID=B921B045-1DF0-41C3-AF44-4C6F280D3FAE", "root=PARTLABEL=swap", "root=ZFS=rpool/ROOT/pve-1",
    "root=/dev/sda2 resume=PARTLABEL=swap",
  ])
  func presentDevicesAreFound(line: String) throws { #expect(try findings(line).isEmpty) }

  /// dracut finds the device; initramfs-tools could not read the line.
  @Test(arguments: ["\"root=LABEL=my root\"", "root=\"LABEL=my root\""])
  func quotedLabelsAreFound(line: String) throws {
    try directory.write("usr/bin/dracut", "")
    let found = try findings(line)
    #expect(found.count == 1 && found[0].hasPrefix("warning: only initrds made by dracut"))
  }

  @Test(arguments: [
    ("root=/dev/sdz1", "/dev/sdz1"), ("root=/dev/mapper/none", "/dev/mapper/none"), ("root=UUID=1", "by-uuid/1"),
    ("root=LABEL=my", "by-label/my"), ("root=PARTUUID=1", "by-partuuid/1"),
    ("root=PARTLABEL=a/b", "by-partlabel/a\\x2fb"),
    ("root=UUID=../../sda2", "by-uuid/..\\x2f..\\x2fsda2"),
  ])
  func missingDevicesAreErrors(line: String, path: String) throws {
    let found = try findings(line)
    #expect(found.count == 1 && found[0].hasPrefix("error: '\(line)' not found") && found[0].contains(path))
  }

  @Test func aMissingResumeDeviceIsAWarning() throws {
    let found = try findings("root=/dev/sda2 resume=/dev/sdz9")
    #expect(found.count == 1 && found[0].hasPrefix("warning: 'resume=/dev/sdz9' not found"))
  }

  @Test func aRootOtherThanTheCurrentOneIsAWarning() throws {
    #expect(try findings("root=/dev/mapper/pve-root", mounted: "ext4 /dev/mapper/pve-root").isEmpty)
    #expect(try findings("root=UUID=0a3407de-014b-458b-b5c1-848e92a327a3", mounted: "ext4 /dev/sda2").isEmpty)
    let other = try findings("root=/dev/sda3", mounted: "ext4 /dev/mapper/pve-root")
    #expect(other.count == 1 && other[0].hasPrefix("warning: 'root=/dev/sda3' "))
    #expect(other[0].hasSuffix("/dev/mapper/pve-root"))
    // The kernel's own name for the device.
    #expect(try findings("root=/dev/sda2", mounted: "ext4 /dev/root").isEmpty)
  }

  @Test func zfsRootsAreCheckedByMountAndPool() throws {
    let root = "zfs rpool/ROOT/pve-1"
    #expect(try findings("root=ZFS=rpool/ROOT/pve-1 boot=zfs", mounted: root).isEmpty)
    #expect(try findings("root=zfs:AUTO", mounted: root).isEmpty)
    let other = try findings("root=ZFS=rpool/ROOT/pve-2 boot=zfs", mounted: root)
    #expect(other.count == 1 && other[0].hasPrefix("warning: ") && other[0].hasSuffix("rpool/ROOT/pve-1"))
    try directory.write("proc/spl/kstat/zfs/rpool/state", "ONLINE\n")
    let gone = try findings("root=ZFS=tank/ROOT/pve-1 boot=zfs", mounted: root)
    #expect(gone.count == 1 && gone[0].hasPrefix("error: ") && gone[0].contains("pool tank is not imported"))
  }

  /// In a chroot or container no device is mounted at the root, and the visible devices are those of another machine.
  @Test func devicesOfAnotherMachineAreNotChecked() throws {
    #expect(try findings("root=/dev/sdz1", isRunning: true).isEmpty)
    #expect(try findings("root=/dev/sdz1", mounted: "overlay overlay").isEmpty)
    #expect(try findings("root=/dev/sdz1", mounted: "ext4 /dev/sda2", at: "/srv/root").isEmpty)
    #expect(try findings("root=/dev/sdz1", mounted: "btrfs /dev/sda2", at: "/@").count == 1)
    let bare = try TemporaryDirectory()
    let line = CommandLine(parts: [CommandLine.Part(path: "/x", text: "root=/dev/sdz1")])
    #expect(try CommandLineRules(lengthLimit: 2047, host: bare.host()).findings(in: line).isEmpty)
  }
}
