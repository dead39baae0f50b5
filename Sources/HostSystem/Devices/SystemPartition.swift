// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import EFIData
internal import Messages

/// An ESP of this machine, known from the partition table of its disk.
package struct SystemPartition: Hashable, Sendable {
  /// Path of the partition in /dev.
  package var device: String
  package var location: PartitionLocation

  package init(device: String, location: PartitionLocation) {
    self.device = device
    self.location = location
  }
}

extension SystemPartition {
  /// More disks than firmware looks at.
  private static let diskLimit = 256
  /// The start of the names of block devices that firmware does not know, or that have no partitions.
  private static let unknownToFirmware = ["loop", "ram", "zram", "zd", "dm-", "md", "nbd", "rbd", "drbd", "sr", "fd"]

  /// The ESPs on all disks that firmware can read, in the order of the disks' names; from sysfs and the disks in /dev.
  ///
  /// Disks that cannot be read are skipped. Throws `HostError` if sysfs cannot be read.
  package static func all(in system: FileSystem) throws -> [SystemPartition] {
    let disks = try (system.list("/sys/block") ?? []).filter { name in
      !unknownToFirmware.contains { name.hasPrefix($0) }
    }
    return disks.prefix(diskLimit).flatMap { (try? of(disk: $0, in: system)) ?? [] }
  }

  /// Throws `HostError` or `ParseError` if the disk or its partition table cannot be read.
  private static func of(disk: String, in system: FileSystem) throws -> [SystemPartition] {
    let directory = "/sys/block/\(disk)"
    let blockSize = try PartitionLocation.count(in: "\(directory)/queue/logical_block_size", system) ?? 512
    let path = "/dev/\(try PartitionLocation.diskName(in: "\(directory)/uevent", system))"
    let device = try BlockDevice(path, in: system, orImage: true)
    let locations: [PartitionLocation]
    do {
      locations = try GUIDPartitionTable(of: device, blockSize: Int(clamping: blockSize)).partitions
        .filter { $0.type == GUIDPartitionTable.systemPartitionType }.map(\.location)
    } catch let error as ParseError where error.rule == .magic {
      let record = try MasterBootRecord(of: device)
      locations = record.diskSignature == 0 ? [] : record.systemPartitions
    }
    guard !locations.isEmpty else { return [] }
    var devices: [UInt64: String] = [:]
    for name in try system.list(directory) ?? [] where name.hasPrefix(disk) {
      guard let number = try PartitionLocation.count(in: "\(directory)/\(name)/partition", system) else { continue }
      devices[number] = "/dev/\(try PartitionLocation.diskName(in: "\(directory)/\(name)/uevent", system))"
    }
    return locations.compactMap { location in
      devices[UInt64(location.number)].map { SystemPartition(device: $0, location: location) }
    }
  }
}
