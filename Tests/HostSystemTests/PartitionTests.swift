// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import EFIData
import Glibc
import HostSystem
import Messages
import TestSupport
import Testing

/// A disk with two partitions as in sysfs; its content is an image made by sgdisk.
@Suite struct PartitionLocationTests {
  private static let number = DeviceNumber(major: 259, minor: 1)
  /// Made once, since sgdisk sleeps for a second after writing.
  private static let image = Result {
    let file = try ScratchFile()
    try PartitionedDisk.make(at: file.path)
    return try file.bytes()
  }
  let directory: TemporaryDirectory
  let system: FileSystem

  init() throws {
    directory = try TemporaryDirectory()
    system = try FileSystem(root: directory.path)
    try directory.write("sys/devices/pci0/block/sda/uevent", "MAJOR=8\nDEVNAME=disks/sda\nDEVTYPE=disk\n")
    try directory.write("sys/devices/pci0/block/sda/queue/logical_block_size", "512\n")
    try directory.write("sys/devices/pci0/block/sda/sda7/partition", "7\n")
    try setPlace(start: 4096, size: 2048)
    try FileSystem().makeDirectory(directory.path(of: "sys/dev/block"))
    symlink("../../devices/pci0/block/sda/sda7", directory.path(of: "sys/dev/block/259:1"))
    symlink("../../devices/pci0/block/sda", directory.path(of: "sys/dev/block/8:0"))
    try directory.write("dev/disks/sda", Self.image.get())
  }

  private func setPlace(start: Int, size: Int) throws {
    try directory.write("sys/devices/pci0/block/sda/sda7/start", "\(start)\n")
    try directory.write("sys/devices/pci0/block/sda/sda7/size", "\(size)\n")
  }

  private func find() throws -> PartitionLocation? { try PartitionLocation.find(Self.number, in: system) }

  @Test func aPartitionIsFoundInSysfsAndTheTable() throws {
    let guid = try #require(GUID(PartitionedDisk.otherGUID))
    #expect(try find() == PartitionLocation(number: 7, startBlock: 4096, blockCount: 2048, guid: guid))
  }

  /// sysfs always counts in units of 512 bytes.
  @Test func blocksOf4096BytesAreSupported() throws {
    try directory.write("sys/devices/pci0/block/sda/queue/logical_block_size", "4096\n")
    try setPlace(start: 512 * 8, size: 256 * 8)
    try PartitionedDisk.make(at: directory.path(of: "dev/disks/sda"), blockSize: 4096)
    let guid = try #require(GUID(PartitionedDisk.otherGUID))
    #expect(try find() == PartitionLocation(number: 7, startBlock: 512, blockCount: 256, guid: guid))
  }

  @Test func devicesOutsideAGPTHaveNoLocation() throws {
    #expect(try PartitionLocation.find(DeviceNumber(major: 8, minor: 0), in: system) == nil)
    #expect(try PartitionLocation.find(DeviceNumber(major: 7, minor: 7), in: system) == nil)
    try ExternalTool("sfdisk").run(
      ["-q", "-w", "always", directory.path(of: "dev/disks/sda")],
      input: Array("label: dos\n3: start=4096, size=2048\n".utf8))
    #expect(try find() == nil)
  }

  private func makeMBR(_ lines: String) throws {
    let image = directory.path(of: "dev/disks/sda")
    try ExternalTool("dd").run(["if=/dev/zero", "of=\(image)", "bs=8M", "count=1", "status=none"])
    try ExternalTool("sfdisk").run(["-q", image], input: Array("label: dos\n\(lines)\n".utf8))
  }

  private func absence(_ number: DeviceNumber = number) throws -> String {
    try PartitionLocation.absence(number, in: system).description
  }

  /// sfdisk makes the table; its --disk-id is the signature in the device path.
  @Test func aPrimaryPartitionOfAnMBRHasAPlace() throws {
    try makeMBR("label-id: 0x1234abcd\n1: start=2048, size=2048, type=ef\n3: start=4096, size=2048, type=83")
    try directory.write("sys/devices/pci0/block/sda/sda7/partition", "3\n")
    #expect(
      try find() == PartitionLocation(number: 3, startBlock: 4096, blockCount: 2048, diskSignature: 0x1234_abcd))
    try setPlace(start: 4096, size: 1024)
    #expect(thrown(HostError.self) { try find() }?.hint?.contains("partprobe") == true)
  }

  @Test func aLogicalPartitionAndADiskWithoutASignatureHaveNone() throws {
    try makeMBR("label-id: 0x1234abcd\n2: start=2048, size=8192, type=f\n5: start=4096, size=2048, type=ef")
    try directory.write("sys/devices/pci0/block/sda/sda7/partition", "5\n")
    #expect(try find() == nil && absence().contains("logical"))
    try makeMBR("label-id: 0x00000000\n1: start=4096, size=2048, type=ef")
    try directory.write("sys/devices/pci0/block/sda/sda7/partition", "1\n")
    #expect(try find() == nil && absence().contains("signature"))
    try directory.write("dev/disks/sda", [UInt8](repeating: 0, count: 8 << 20))
    #expect(try find() == nil)
  }

  @Test(arguments: [("md", "RAID array md127"), ("dm", "device-mapper volume md127"), ("queue", "whole disk md127")])
  func devicesWithoutAPlaceAreNamed(kind: String, reason: String) throws {
    try directory.write("sys/devices/virtual/block/md127/uevent", "MAJOR=9\nDEVNAME=md127\nDEVTYPE=disk\n")
    try directory.write("sys/devices/virtual/block/md127/\(kind)/level", "raid1\n")
    symlink("../../devices/virtual/block/md127", directory.path(of: "sys/dev/block/9:127"))
    let number = DeviceNumber(major: 9, minor: 127)
    #expect(try PartitionLocation.find(number, in: system) == nil && absence(number).contains(reason))
  }

  @Test func aChangedTableIsReported() throws {
    for (start, size) in [(2048, 2048), (4096, 2047), (Int.max, 2048)] {
      try setPlace(start: start, size: size)
      let error = thrown(HostError.self) { try find() }
      #expect(error?.path == directory.path(of: "dev/disks/sda") && error?.hint != nil)
    }
  }

  @Test func aDamagedOrMissingDiskIsReported() throws {
    try ExternalTool("dd").run(
      ["of=" + directory.path(of: "dev/disks/sda"), "bs=512", "seek=1", "conv=notrunc", "status=none"],
      input: [UInt8](repeating: 7, count: 8 << 20 - 512))
    let error = thrown(HostError.self) { try find() }
    #expect(error?.detail?.contains("GPT, byte 512:") == true && error?.hint != nil, "\(String(describing: error))")
    unlink(directory.path(of: "dev/disks/sda"))
    #expect(throws: HostError("open", directory.path(of: "dev/disks/sda"), errno: ENOENT)) { try find() }
  }
}

/// Disks and an array as in sysfs; their content is made by sgdisk and sfdisk.
@Suite struct SystemPartitionTests {
  let directory: TemporaryDirectory
  let system: FileSystem
  private let guid = GUID(PartitionedDisk.systemPartitionGUID)

  init() throws {
    directory = try TemporaryDirectory()
    system = try FileSystem(root: directory.path)
    for name in ["sda", "sdb"] {
      try PartitionedDisk.make(at: try path("dev/\(name)"))
      try addDisk(name, partitions: [1, 7])
    }
  }

  private func path(_ name: String) throws -> String {
    try directory.write(name, "")
    return directory.path(of: name)
  }

  private func addDisk(_ name: String, partitions: [Int]) throws {
    try directory.write("sys/block/\(name)/uevent", "DEVNAME=\(name)\n")
    try FileSystem().makeDirectory(directory.path(of: "sys/dev/block"))
    for number in partitions {
      let place = "sys/block/\(name)/\(name)\(number)"
      try directory.write("\(place)/uevent", "DEVNAME=\(name)\(number)\n")
      try directory.write("\(place)/partition", "\(number)\n")
      try directory.write("\(place)/start", number == 1 ? "2048\n" : "4096\n")
      try directory.write("\(place)/size", "2048\n")
      let minor = (name == "sda" ? 0 : 16) + number
      try directory.write("\(place)/dev", "8:\(minor)\n")
      symlink("../../block/\(name)/\(name)\(number)", directory.path(of: "sys/dev/block/8:\(minor)"))
    }
  }

  @Test func theESPOfEachDiskIsFound() throws {
    let location = PartitionLocation(number: 1, startBlock: 2048, blockCount: 2048, guid: try #require(guid))
    #expect(
      try SystemPartition.all(in: system) == [
        SystemPartition(device: "/dev/sda1", location: location),
        SystemPartition(device: "/dev/sdb1", location: location),
      ])
  }

  @Test func anMBRHasESPsByType() throws {
    let image = directory.path(of: "dev/sdb")
    try ExternalTool("dd").run(["if=/dev/zero", "of=\(image)", "bs=8M", "count=1", "status=none"])
    try ExternalTool("sfdisk").run(
      ["-q", image],
      input: Array("label: dos\nlabel-id: 0x1234abcd\n1: start=2048, size=2048, type=ef\n".utf8))
    let location = PartitionLocation(number: 1, startBlock: 2048, blockCount: 2048, diskSignature: 0x1234_abcd)
    #expect(try SystemPartition.all(in: system).last == SystemPartition(device: "/dev/sdb1", location: location))
  }

  @Test func otherDevicesAndDamagedDisksAreSkipped() throws {
    for name in ["loop0", "dm-0", "md0", "zd0"] {
      try PartitionedDisk.make(at: try path("dev/\(name)"))
      try directory.write("sys/block/\(name)/uevent", "DEVNAME=\(name)\n")
      try directory.write("sys/block/\(name)/\(name)1/partition", "1\n")
      try directory.write("sys/block/\(name)/\(name)1/uevent", "DEVNAME=\(name)1\n")
    }
    try directory.write("dev/sda", [UInt8](repeating: 0xff, count: 4096))
    unlink(directory.path(of: "dev/sdb"))
    #expect(try SystemPartition.all(in: system).isEmpty)
  }

  @Test(arguments: [("1.0", true), ("0.90", true), ("1.2", false), ("1.1", false)])
  func theMembersOfAnArrayAreFound(version: String, isReadable: Bool) throws {
    try directory.write("sys/block/md0/md/level", "raid1\n")
    try directory.write("sys/block/md0/md/metadata_version", "\(version)\n")
    try FileSystem().makeDirectory(directory.path(of: "sys/block/md0/slaves"))
    for name in ["sda", "sdb"] {
      symlink("../../\(name)/\(name)1", directory.path(of: "sys/block/md0/slaves/\(name)1"))
    }
    symlink("../../block/md0", directory.path(of: "sys/dev/block/9:0"))
    let number = DeviceNumber(major: 9, minor: 0)
    let members = try ArrayMember.find(number, in: system)
    #expect(members.map(\.disk) == ["/dev/sda", "/dev/sdb"])
    #expect(members.allSatisfy { $0.isReadableByFirmware == isReadable && $0.location.guid == guid })
    try directory.write("sys/block/md0/md/level", "raid0\n")
    #expect(try ArrayMember.find(number, in: system).isEmpty)
    #expect(try ArrayMember.find(DeviceNumber(major: 8, minor: 1), in: system).isEmpty)
  }
}

@Suite struct PartitionAccessTests {
  @Test func onlyBlockDevicesAreAccepted() throws {
    let directory = try TemporaryDirectory()
    try directory.write("dev/file", "x")
    mkfifo(directory.path(of: "dev/fifo"), 0o600)
    let recorder = MutationRecorder()
    let host = try directory.host(gate: recorder.gate)
    for name in ["/dev/file", "/dev/fifo", "/dev"] {
      let refusal = HostError("open", directory.path(of: name), detail: "it is not a block device")
      for access in [PartitionAccess.Access.reading, .writing] {
        #expect(throws: refusal) { try host.partitions.mount(device: name, access: access, label: "ESP") }
      }
      #expect(throws: refusal) { try host.partitions.facts(device: name) }
    }
    let absent = HostError("open", directory.path(of: "dev/none"), errno: ENOENT)
    #expect(throws: absent) { try host.partitions.mount(device: "/dev/none", access: .reading, label: "ESP") }
    #expect(throws: absent) { try host.partitions.facts(device: "/dev/none") }
    #expect(recorder.mutations.isEmpty)
  }

  @Test func accessCanBeReplacedInTests() throws {
    let directory = try TemporaryDirectory()
    try directory.write("esp/f", "x")
    var host = try directory.host()
    let files = host.files
    let facts = PartitionFacts(number: DeviceNumber(major: 1, minor: 2), location: nil, content: .other)
    host.partitions = PartitionAccess { device, _, _ in
      try files.subtree(device)
    } facts: { _ in
      facts
    }
    #expect(try host.partitions.mount(device: "/esp", access: .reading, label: "").list("/") == ["f"])
    #expect(try host.partitions.facts(device: "/esp") == facts)
  }

  @Test func deviceNumbersAreParsedAsInProcfs() {
    #expect(DeviceNumber("259:1") == DeviceNumber(major: 259, minor: 1))
    #expect("\(DeviceNumber(major: 8, minor: 17))" == "8:17")
    for text in ["", "8", "8:", ":1", "8:1:2", "-8:1", "a:b", "4294967296:1"] { #expect(DeviceNumber(text) == nil) }
  }
}
