// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import EFIData
internal import Messages

extension PartitionLocation {
  /// The sector size in sysfs, regardless of the disk's block size.
  private static let sectorSize: UInt64 = 512

  /// The location of the partition with device number `number`, from /sys/dev/block and confirmed by the GPT of its
  /// disk in /dev.
  ///
  /// Nil if the device is not a partition, or its disk has no GPT.
  ///
  /// Throws `HostError` if the disk cannot be read or its table does not have the partition.
  package static func find(_ number: DeviceNumber, in system: FileSystem) throws -> PartitionLocation? {
    let directory = "/sys/dev/block/\(number)"
    guard let partition = try count(in: "\(directory)/partition", system),
      let start = try count(in: "\(directory)/start", system), let size = try count(in: "\(directory)/size", system)
    else { return nil }
    let blockSize = try count(in: "\(directory)/../queue/logical_block_size", system) ?? sectorSize
    let path = "/dev/\(try diskName(in: "\(directory)/../uevent", system))"
    let disk = try BlockDevice(path, in: system, orImage: true)
    do {
      let table = try GUIDPartitionTable(of: disk, blockSize: Int(clamping: blockSize))
      let found = table.partitions.first { entry in
        UInt64(entry.location.number) == partition
          && isSame(entry.location.startBlock, blockSize: blockSize, sectors: start)
          && isSame(entry.location.blockCount, blockSize: blockSize, sectors: size)
      }
      if let found { return found.location }
    } catch let error as ParseError {
      if error.rule == .magic { return nil }
      throw HostError(
        "find partition \(partition) on", disk.path, detail: Message(error),
        hint: "check the partition table with 'sgdisk --verify \(disk.path)'")
    }
    throw HostError(
      "find partition \(partition) on", disk.path, detail: "the kernel does not use the current partition table",
      hint: "reboot, or run 'partprobe \(disk.path)'")
  }

  private static func isSame(_ blocks: UInt64, blockSize: UInt64, sectors: UInt64) -> Bool {
    let (bytes, overflow) = blocks.multipliedReportingOverflow(by: blockSize)
    return !overflow && bytes / sectorSize == sectors
  }

  private static func count(in path: String, _ system: FileSystem) throws -> UInt64? {
    guard let text = try system.readTextIfPresent(path, limit: 4096) else { return nil }
    return UInt64(text.split(separator: "\n").first ?? "")
  }

  /// The value of the line `DEVNAME=sda` of a disk.
  private static func diskName(in path: String, _ system: FileSystem) throws -> String {
    let lines = try system.readTextIfPresent(path, limit: 4096)?.split(separator: "\n") ?? []
    guard let name = lines.first(where: { $0.hasPrefix("DEVNAME=") })?.dropFirst("DEVNAME=".utf8.count) else {
      throw HostError("find the disk of a partition in", system.display(path), detail: "no DEVNAME= found")
    }
    return String(name)
  }
}
