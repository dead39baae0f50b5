// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import EFIData
package import Messages

extension PartitionLocation {
  /// The sector size in sysfs, regardless of the disk's block size.
  private static let sectorSize: UInt64 = 512

  /// The location of the partition with device number `number`, from /sys/dev/block and confirmed by the GPT or MBR of
  /// its disk in /dev.
  ///
  /// Nil if the device is not a partition that a device path can name; see `absence`.
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
      let table = try locations(on: disk, blockSize: Int(clamping: blockSize))
      if table.first?.isMBR != false, !table.contains(where: { UInt64($0.number) == partition }) { return nil }
      let found = table.first { location in
        UInt64(location.number) == partition
          && isSame(location.startBlock, blockSize: blockSize, sectors: start)
          && isSame(location.blockCount, blockSize: blockSize, sectors: size)
      }
      if let found { return found }
    } catch let error as ParseError {
      throw HostError(
        "find partition \(partition) on", disk.path, detail: Message(error),
        hint: "check the partition table with 'sgdisk --verify \(disk.path)'")
    }
    throw HostError(
      "find partition \(partition) on", disk.path, detail: "the kernel does not use the current partition table",
      hint: "reboot, or run 'partprobe \(disk.path)'")
  }

  /// The partitions that a device path can name; empty without a GPT and without an MBR that has a signature.
  static func locations(on disk: BlockDevice, blockSize: Int) throws -> [PartitionLocation] {
    do {
      return try GUIDPartitionTable(of: disk, blockSize: blockSize).partitions.map(\.location)
    } catch let error as ParseError where error.rule == .magic {
      guard let record = try? MasterBootRecord(of: disk), record.diskSignature != 0 else { return [] }
      return record.partitions
    }
  }

  /// Why a device has no location.
  ///
  /// Throws `HostError` if sysfs cannot be read.
  package static func absence(_ number: DeviceNumber, in system: FileSystem) throws -> Message {
    let directory = "/sys/dev/block/\(number)"
    guard try count(in: "\(directory)/partition", system) == nil else {
      return "it is a logical partition, or its disk has no GPT and no MBR with a signature"
    }
    let name = (try? diskName(in: "\(directory)/uevent", system)) ?? "\(number)"
    if try system.isDirectory("\(directory)/md") { return "it is on the RAID array \(name)" }
    if try system.isDirectory("\(directory)/dm") { return "it is on the device-mapper volume \(name), such as LVM" }
    return "it is on the whole disk \(name), without a partition"
  }

  private static func isSame(_ blocks: UInt64, blockSize: UInt64, sectors: UInt64) -> Bool {
    let (bytes, overflow) = blocks.multipliedReportingOverflow(by: blockSize)
    return !overflow && bytes / sectorSize == sectors
  }

  static func count(in path: String, _ system: FileSystem) throws -> UInt64? {
    guard let text = try system.readTextIfPresent(path, limit: 4096) else { return nil }
    return UInt64(text.split(separator: "\n").first ?? "")
  }

  /// The value of the line `DEVNAME=sda` of a disk.
  static func diskName(in path: String, _ system: FileSystem) throws -> String {
    let lines = try system.readTextIfPresent(path, limit: 4096)?.split(separator: "\n") ?? []
    guard let name = lines.first(where: { $0.hasPrefix("DEVNAME=") })?.dropFirst("DEVNAME=".utf8.count) else {
      throw HostError("find the disk of a partition in", system.display(path), detail: "no DEVNAME= found")
    }
    return String(name)
  }
}
