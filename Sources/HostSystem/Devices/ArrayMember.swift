// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import EFIData

/// A partition of a RAID 1 array of Linux (md), which has the same content as the array.
package struct ArrayMember: Hashable, Sendable {
  package var location: PartitionLocation
  /// Path of the disk in /dev.
  package var disk: String
  /// Whether firmware finds the array's file system in it: the array's metadata is at the end, in version 0.90 or 1.0.
  package var isReadableByFirmware: Bool

  package init(location: PartitionLocation, disk: String, isReadableByFirmware: Bool) {
    self.location = location
    self.disk = disk
    self.isReadableByFirmware = isReadableByFirmware
  }

  /// More members than any array for an ESP has.
  private static let countLimit = 64

  /// The members of the array with device number `number` that are GPT or primary MBR partitions, from sysfs
  /// (Documentation/admin-guide/md.rst of Linux); empty for any other device.
  ///
  /// Throws `HostError` if sysfs cannot be read.
  package static func find(_ number: DeviceNumber, in system: FileSystem) throws -> [ArrayMember] {
    let directory = "/sys/dev/block/\(number)"
    guard try word("\(directory)/md/level", system) == "raid1" else { return [] }
    let version = try word("\(directory)/md/metadata_version", system)
    let names = try system.list("\(directory)/slaves") ?? []
    return try names.prefix(countLimit).compactMap { name in
      guard let member = try word("\(directory)/slaves/\(name)/dev", system).flatMap({ DeviceNumber($0) }),
        let location = try? PartitionLocation.find(member, in: system)
      else { return nil }
      let disk = try PartitionLocation.diskName(in: "/sys/dev/block/\(member)/../uevent", system)
      return ArrayMember(
        location: location, disk: "/dev/\(disk)", isReadableByFirmware: version == "0.90" || version == "1.0")
    }
  }

  private static func word(_ path: String, _ system: FileSystem) throws -> String? {
    try system.readTextIfPresent(path, limit: 4096)?.split(separator: "\n").first.map(String.init)
  }
}
