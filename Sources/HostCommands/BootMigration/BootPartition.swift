// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
package import Messages

/// The block device that is mounted at /boot, or was before `migrate-boot`.
package struct BootPartition: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// A partition, by its number on the disk.
    case partition(number: Int)
    /// A logical volume of LVM.
    case logicalVolume
    /// An md array, a whole disk, or another device.
    case other
  }

  package static let mountPath = "/boot"

  /// A path that stays the same after a reboot, if there is one.
  package let path: String
  package let device: DeviceNumber
  package let kind: Kind

  /// Describes a device from sysfs.
  ///
  /// Throws `HostError`, and `Failure` if the kernel does not know it.
  init(_ device: DeviceNumber, on host: Host) throws {
    self.device = device
    let files = host.files
    let directory = "/sys/dev/block/\(device)"
    guard let name = try Self.name(in: "\(directory)/uevent", files) else {
      throw Failure("the kernel does not know the device \(device) of /boot")
    }
    func line(_ path: String) throws -> String? {
      try files.readTextIfPresent(path, limit: 4096).map { String($0.prefix { $0 != "\n" }) }
    }
    if let number = try line("\(directory)/partition").flatMap({ Int($0) }) {
      kind = .partition(number: number)
      path = try Self.link(to: device, in: "/dev/disk/by-partuuid", files) ?? "/dev/\(name)"
    } else if let mapped = try line("\(directory)/dm/name") {
      kind = try line("\(directory)/dm/uuid")?.hasPrefix("LVM-") == true ? .logicalVolume : .other
      path = "/dev/mapper/\(mapped)"
    } else {
      kind = .other
      path = try Self.link(to: device, in: "/dev/disk/by-uuid", files) ?? "/dev/\(name)"
    }
  }

  private static func name(in path: String, _ files: FileSystem) throws -> String? {
    let lines = try files.readTextIfPresent(path, limit: 4096)?.split(separator: "\n") ?? []
    return lines.first { $0.hasPrefix("DEVNAME=") }.map { String($0.dropFirst("DEVNAME=".count)) }
  }

  /// The link in a directory of udev that leads to a device.
  private static func link(to device: DeviceNumber, in directory: String, _ files: FileSystem) throws -> String? {
    let names = try files.list(directory) ?? []
    return try names.lazy.map { "\(directory)/\($0)" }.first { try files.status(of: $0)?.blockDevice == device }
  }

  /// The command that overwrites and removes it; nil for a device that needs several, such as an md array.
  package var removalCommand: Message? {
    let shred = "shred --verbose --iterations=1 \(path.shellWord)"
    switch kind {
    case .partition(let number):
      // Someone may paste this after a reboot, when the disk has another name. udev looks at the partition again.
      return Message(
        verbatim: """
          \(shred) && disk=/dev/$(lsblk --noheadings --output PKNAME \(path.shellWord)) && \
          sfdisk --no-reread --delete "$disk" \(number) && udevadm settle && partx --delete --nr \(number) "$disk"
          """)
    case .logicalVolume: return Message(verbatim: "\(shred) && lvremove --yes \(path.shellWord)")
    case .other: return nil
    }
  }
}
