// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import EFIData
package import HostSystem
package import Messages

/// An EFI System Partition, or a directory that will be one.
package struct ESP: Hashable, Sendable {
  package enum Source: Hashable, Sendable {
    /// Where it is mounted: a host path without a slash at the end.
    case directory(String)
    /// Its volume serial number as in proxmox-boot-tool's list, such as `1111-AAA1`.
    case listed(String)
  }

  package let source: Source
  /// Where firmware finds it; nil if it does not lie in a GPT, so that no boot entry can lead to it.
  package let location: PartitionLocation?
  /// Why there is no location, where that is known, as a sentence.
  package let locationNote: Message?
  /// Host path of the device that holds it; nil for a directory that only stands for one.
  package let device: String?
  /// What keeps it from being written to until it is mended; nil if nothing does.
  ///
  /// See `FileSystemCheck`.
  package var blemish: Blemish?

  /// The state of a FAT file system that was not unmounted, and of which nothing is known to be damaged.
  package enum Blemish: Hashable, Sendable {
    /// The check found what it mends, or names of ours that have to be put right first.
    case mendable
    /// fsck.vfat is not installed, but every name has clusters of its own.
    case unchecked
  }

  package init(
    source: Source, location: PartitionLocation? = nil, locationNote: Message? = nil, device: String? = nil,
    blemish: Blemish? = nil
  ) {
    self.source = source
    self.location = location
    self.locationNote = locationNote
    self.device = device
    self.blemish = blemish
  }

  /// What people call it: the serial number, or the path where it is mounted.
  package var name: String {
    switch source {
    case .directory(let path): path
    case .listed(let serial): serial
    }
  }

  /// Host path of the directory or device.
  var path: String {
    switch source {
    case .directory(let path): path
    case .listed(let serial): "\(Self.deviceDirectory)/\(serial)"
    }
  }

  static let deviceDirectory = "/dev/disk/by-uuid"

  /// The files of the ESP by their paths on it, out of which no symbolic link leads; one that is not mounted is mounted for
  /// the value returned alone, see `PartitionAccess.mount`.
  ///
  /// Throws `HostError` if it cannot be reached, or not be written to.
  package func open(on host: Host, for access: PartitionAccess.Access) throws -> FileSystem {
    if case .listed(let serial) = source, try host.isRunningSystem || !host.files.isDirectory(path) {
      return try host.partitions.mount(device: path, access: access, label: "\(serial):")
    }
    let files = try host.files.subtree(path)
    if access == .writing, try files.isReadOnly(at: "/") {
      let path = host.files.display(path)
      throw HostError(
        "write to", path, detail: "it is mounted read-only",
        hint: "find out why in the kernel's messages, then run 'mount -o remount,rw \(path)'")
    }
    return files
  }
}

/// An EFI System Partition that was to be there and cannot be used.
package struct ESPProblem: Hashable, HintedError {
  package enum Kind: Sendable {
    /// There is no such device.
    case missing
    /// Its file system must be repaired first.
    case damaged
    /// It was not unmounted, and there is nothing to check it with.
    case unchecked
    /// It cannot be told what it is.
    case unreadable
  }

  /// As `ESP.name`, or the file whose line names none.
  package var name: String
  package var kind: Kind
  /// A sentence that names it.
  package var message: Message
  package var hint: Message?
  /// The command that repairs it; nil if none can.
  package var repair: String?

  package init(name: String, kind: Kind, message: Message, hint: Message?, repair: String? = nil) {
    self.repair = repair
    self.name = name
    self.kind = kind
    self.message = message
    self.hint = hint
  }
}
