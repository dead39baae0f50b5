// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import EFIData
internal import Findings
internal import HostSystem
internal import Messages

/// GPT partitions of different disks with the same unique GUID, as after cloning a disk.
///
/// A boot entry names its partition by this GUID, so the firmware may start programs from any of them disk.
enum ClonedDisks {
  /// The database of udev; files such as `b8:1` have lines such as `E:ID_PART_ENTRY_UUID=…`.
  private static let database = "/run/udev/data"
  /// Maximum number of block devices to examine, and of bytes of each file.
  private static let deviceLimit = 4096
  private static let sizeLimit = 1 << 16
  private static let espType = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"

  private struct Partition {
    var guid: GUID
    /// Its path in /dev.
    var device: String
    /// What identifies its disk; the same for all paths to a disk (multipath).
    var disk: String
  }

  static func findings(_ context: MachineFindings.Context, on host: Host) throws -> [Finding] {
    let used = Set(context.esps.compactMap { $0.location.flatMap { $0.isMBR ? nil : $0.guid } })
    let partitions = try partitions(on: host.files, used: used)
    let copies = Dictionary(grouping: partitions, by: \.guid).filter { Set($0.value.map(\.disk)).count > 1 }
    return copies.sorted { "\($0.key)" < "\($1.key)" }.map { guid, partitions in
      let devices = partitions.map(\.device).sorted()
      return Finding(
        .duplicateEntries,
        """
        \(devices.joined(separator: " and ")) have the same partition GUID \(guid): the firmware may start programs from \
        any of them
        """,
        arguments: ["guid": .string("\(guid)"), "devices": JSONValue(devices)],
        actions: [
          .advise(
            """
            give the partitions of the copy new GUIDs with 'sgdisk -G DISK', and run 'pve-sb-uki apply'; or disconnect \
            the copy
            """)
        ])
    }
  }

  /// The ESPs, and the partitions with a GUID in `used`, that are not part of a RAID or device-mapper volume.
  private static func partitions(on files: FileSystem, used: Set<GUID>) throws -> [Partition] {
    let names = try (files.list(database) ?? []).filter { $0.hasPrefix("b") }
    return try names.prefix(deviceLimit).compactMap { name in
      guard let number = DeviceNumber(name.dropFirst()),
        let text = try files.readTextIfPresent("\(database)/\(name)", limit: sizeLimit)
      else { return nil }
      var properties: [Substring: Substring] = [:]
      for line in text.split(separator: "\n") where line.hasPrefix("E:") {
        let parts = line.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 { properties[parts[0]] = parts[1] }
      }
      guard properties["ID_PART_ENTRY_SCHEME"] == "gpt",
        let guid = properties["ID_PART_ENTRY_UUID"].flatMap({ GUID(String($0)) }),
        used.contains(guid) || properties["ID_PART_ENTRY_TYPE"]?.lowercased() == espType
      else { return nil }
      let directory = "/sys/dev/block/\(number)"
      guard try (files.list("\(directory)/../holders") ?? []).isEmpty,
        try (files.list("\(directory)/holders") ?? []).isEmpty,
        let device = try deviceName(in: directory, files), !device.hasPrefix("dm-"), !device.hasPrefix("md")
      else { return nil }
      let disk = properties["ID_WWN_WITH_EXTENSION"] ?? properties["ID_WWN"] ?? properties["ID_SERIAL"]
      return Partition(
        guid: guid, device: "/dev/\(device)",
        disk: disk.map(String.init) ?? properties["ID_PART_ENTRY_DISK"].map(String.init) ?? device)
    }
  }

  private static func deviceName(in directory: String, _ files: FileSystem) throws -> String? {
    let lines = try files.readTextIfPresent("\(directory)/uevent", limit: 4096)?.split(separator: "\n") ?? []
    let key = "DEVNAME="
    return lines.first { $0.hasPrefix(key) }.map { String($0.dropFirst(key.utf8.count)) }
  }
}
