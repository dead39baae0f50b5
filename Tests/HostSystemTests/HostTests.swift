// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
internal import Messages
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

  /// 253402300799 is the last second of the year 9999 (GeneralizedTime, RFC 5280 section 4.1.2.5.2).
  @Test(arguments: [("0", 0), ("1700000000", 1_700_000_000), ("253402300799", 253_402_300_799)] as [(String, Int64)])
  func theBuildTimeIsThatOfTheEnvironment(text: String, time: Int64) throws {
    var host = try Host()
    host.environment = { $0 == "SOURCE_DATE_EPOCH" ? text : nil }
    #expect(try host.buildTime == time)
    host.environment = { _ in nil }
    #expect(try host.buildTime == nil)
  }

  @Test(arguments: ["253402300800", "9223372036854775807", "-1", "+1", "1.5", "yesterday", " 1", "1\n", "1e9", "０"])
  func anInvalidBuildTimeIsRejected(text: String) throws {
    var host = try Host()
    host.environment = { $0 == "SOURCE_DATE_EPOCH" ? text : nil }
    let error = thrown(Failure.self) { try host.buildTime }
    #expect(error?.message.contains("SOURCE_DATE_EPOCH") == true && error?.hint != nil)
  }

  @Test func argumentsMatchThoseThatSwiftReads() { #expect(ProcessArguments.all == CommandLine.arguments) }
}
