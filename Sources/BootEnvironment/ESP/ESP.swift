// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import EFIData
package import HostSystem
package import Messages

/// An EFI System Partition (ESP), or a directory used as one.
package struct ESP: Hashable, Sendable {
  package enum Source: Hashable, Sendable {
    /// Its mount point: a host path without a final slash.
    case directory(String)
    /// Its volume serial number in proxmox-boot-tool's list, such as `1111-AAA1`.
    case listed(String)
  }

  package let source: Source
  /// Its location on a disk; nil if unknown, in which case no boot entry can refer to it.
  package let location: PartitionLocation?
  /// Why there is no location, and what to do; nil if that is unknown.
  package let locationProblem: Failure?
  /// The partitions that have the same content, if it is a RAID 1 array.
  package let members: [ArrayMember]
  /// Host path of its device; nil for a directory used as an ESP.
  package let device: String?
  /// Why it must be repaired before it is written to; nil if it was unmounted cleanly.
  ///
  /// See `FileSystemCheck`.
  package var uncleanState: UncleanState?

  /// The state of a FAT file system that was not unmounted cleanly and has no known damage.
  package enum UncleanState: Hashable, Sendable {
    /// The check found errors that it can repair, or pve-sb-uki's files must be repaired first.
    case mendable
    /// fsck.vfat is not installed, but no clusters belong to two files.
    case unchecked
  }

  package init(
    source: Source, location: PartitionLocation? = nil, locationProblem: Failure? = nil,
    members: [ArrayMember] = [], device: String? = nil, uncleanState: UncleanState? = nil
  ) {
    self.source = source
    self.location = location
    self.locationProblem = locationProblem
    self.members = members
    self.device = device
    self.uncleanState = uncleanState
  }

  /// The name in messages: the serial number, or the mount point.
  package var name: String {
    switch source {
    case .directory(let path): path
    case .listed(let serial): serial
    }
  }

  /// Host path of the directory or device.
  package var path: String {
    switch source {
    case .directory(let path): path
    case .listed(let serial): "\(Self.deviceDirectory)/\(serial)"
    }
  }

  static let deviceDirectory = "/dev/disk/by-uuid"

  /// Opens the files of the ESP, by their paths on it.
  ///
  /// Symbolic links cannot lead outside. An unmounted ESP is mounted while the returned value exists, see
  /// `PartitionAccess.mount`. Throws `HostError` if it cannot be opened, or not for writing.
  package func open(on host: Host, for access: PartitionAccess.Access) throws -> FileSystem {
    if case .listed(let serial) = source, try host.isRunningSystem || !host.files.isDirectory(path) {
      return try host.partitions.mount(device: path, access: access, label: "\(serial):")
    }
    let files = try host.files.subtree(path)
    if access == .writing, try files.isReadOnly(at: "/") {
      let path = host.files.display(path)
      throw HostError(
        "write to", path, detail: "it is mounted read-only",
        hint: "check the kernel log for the reason, then run 'mount -o remount,rw \(path)'")
    }
    return files
  }
}

/// An ESP that is configured but missing or unusable.
package struct ESPProblem: Hashable, HintedError {
  package enum Kind: Sendable {
    /// Its device does not exist.
    case missing
    /// The administrator must repair its file system first.
    case damaged
    /// It was not unmounted cleanly, and fsck.vfat is not installed.
    case unchecked
    /// It cannot be read.
    case unreadable
  }

  /// As `ESP.name`, or the file with the invalid line.
  package var name: String
  package var kind: Kind
  /// A sentence that names the ESP.
  package var message: Message
  package var hint: Message?
  /// The command that repairs it; nil if there is none.
  package var repair: String?

  package init(name: String, kind: Kind, message: Message, hint: Message?, repair: String? = nil) {
    self.repair = repair
    self.name = name
    self.kind = kind
    self.message = message
    self.hint = hint
  }
}
