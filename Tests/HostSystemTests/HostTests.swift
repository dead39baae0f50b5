// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import TestSupport
import Testing

@Suite struct HostTests {
  @Test func fieldsOnBothSidesOfTheSeparatorAreRead() {
    // The first line is the example of proc(5).
    let text = """
      36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
      40 35 8:1 / /boot/efi ro,relatime - vfat /dev/sda1 rw,fmask=0022
      41 35 8:2 / /with\\040space\\134 rw shared:1 propagate_from:2 - vfat /dev/sdb1 ro
      """
    #expect(
      MountPoint.parse(text) == [
        MountPoint(
          path: "/mnt2", fileSystem: "ext3", source: "/dev/root", root: "/mnt1", isReadOnly: false,
          device: DeviceNumber(major: 98, minor: 0)),
        MountPoint(
          path: "/boot/efi", fileSystem: "vfat", source: "/dev/sda1", isReadOnly: true,
          device: DeviceNumber(major: 8, minor: 1)),
        MountPoint(
          path: "/with space\\", fileSystem: "vfat", source: "/dev/sdb1", isReadOnly: true,
          device: DeviceNumber(major: 8, minor: 2)),
      ])
  }

  @Test(arguments: ["", "-", "1 2 3", "1 2 3 4 5 - ext4 a b", "1 2 3 4 5 6 - ext4", "1 2 3 4 5 6 7 8 9"])
  func otherLinesAreIgnored(line: String) { #expect(MountPoint.parse(line).isEmpty) }

  @Test func thisMachineHasARootMount() throws {
    #expect(try FileSystem(root: "/").mountPoints().contains { $0.path == "/" })
    let directory = try TemporaryDirectory()
    #expect(try FileSystem(root: directory.path).mountPoints().isEmpty)
  }

  @Test func theHostKnowsItsKernel() throws {
    let host = try Host()
    let release = try host.files.readTextIfPresent("/proc/sys/kernel/osrelease")
    #expect(release == host.kernelRelease + "\n")
    #expect(host.isRunningSystem)
    #expect(try host.randomBytes(32) != host.randomBytes(32))
  }

  @Test func argumentsMatchThoseThatSwiftReads() { #expect(ProcessArguments.all == CommandLine.arguments) }
}
