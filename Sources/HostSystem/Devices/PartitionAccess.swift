// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import FATFileSystem
import Glibc

/// Access to partitions without a mount point; replaced in tests.
package struct PartitionAccess: Sendable {
  package enum Access: Sendable {
    /// Changes no byte of the device, not even FAT's dirty bit.
    case reading
    case writing
  }

  /// Chooses the names of a volume to remove; their content can be read from the device.
  package typealias NameChoice = (_ volume: FATVolume, _ device: any RandomAccessBytes) throws -> [FATFile]

  private let mounting: @Sendable (String, Access, String) throws -> FileSystem
  private let examining: @Sendable (String) throws -> PartitionFacts
  private let reading: @Sendable (String) throws -> FATVolume?
  private let removing: @Sendable (String, NameChoice) throws -> [FATFile]
  private let listing: @Sendable () throws -> [SystemPartition]

  /// Without `volume` and `removeNames` the device has no FAT file system; without `systemPartitions` there are none.
  package init(
    mount: @escaping @Sendable (_ device: String, _ access: Access, _ label: String) throws -> FileSystem,
    facts: @escaping @Sendable (_ device: String) throws -> PartitionFacts,
    volume: @escaping @Sendable (_ device: String) throws -> FATVolume? = { _ in nil },
    removeNames: @escaping @Sendable (_ device: String, _ choose: NameChoice) throws -> [FATFile] = { _, _ in [] },
    systemPartitions: @escaping @Sendable () throws -> [SystemPartition] = { [] }
  ) {
    mounting = mount
    examining = facts
    reading = volume
    removing = removeNames
    listing = systemPartitions
  }

  /// This machine's partitions by device paths in `files`; each mount for writing is a mutation that its gate sees.
  package init(of files: FileSystem) {
    let mounter = PartitionMounter(files: files, system: FileSystem())
    self.init(
      mount: mounter.mount, facts: mounter.facts, volume: mounter.volume, removeNames: mounter.removeNames,
      systemPartitions: mounter.systemPartitions)
  }

  /// Mounts a partition and returns its files, with `label` before their paths in messages and mutations.
  ///
  /// No other process sees the mount. The partition is unmounted when the value, its subtrees and the files opened
  /// through it are gone.
  ///
  /// While a partition is mounted for reading, Linux refuses to mount it for writing, also for other processes: release
  /// it soon. Mounting for reading during a mount for writing works. So a mount for writing waits up to five seconds
  /// for readers to finish. Throws `HostError` that says why the device cannot be mounted.
  package func mount(device: String, access: Access, label: String) throws -> FileSystem {
    for _ in 0..<(access == .writing ? 50 : 0) {
      do {
        return try mounting(device, access, label)
      } catch let error as HostError where error.errno == EBUSY {
        usleep(100_000)
      }
    }
    return try mounting(device, access, label)
  }

  /// What is known about a partition without mounting it.
  ///
  /// Throws `HostError` unless `device` is a readable block device.
  package func facts(device: String) throws -> PartitionFacts { try examining(device) }

  /// The names on a FAT file system, mounted or not, as stored on its device; nil for another file system, or if there
  /// is no device.
  ///
  /// Throws `ParseError` if the file system is damaged, `HostError` if it cannot be read.
  package func volume(device: String) throws -> FATVolume? { try reading(device) }

  /// Removes the names that `choose` returns and keeps the allocation table unchanged: their clusters stay with the
  /// other names that have them, or are lost until fsck.vfat(8) frees them.
  ///
  /// Returns the removed names.
  ///
  /// Throws `HostError` if the device is not writable or is in use, such as mounted, `ParseError` if it is damaged.
  package func removeNames(device: String, choosing choose: NameChoice) throws -> [FATFile] {
    try removing(device, choose)
  }

  /// The ESPs on all disks that firmware can read, in the order of the disks' names.
  ///
  /// Disks that cannot be read are skipped. Throws `HostError` if sysfs cannot be read.
  package func systemPartitions() throws -> [SystemPartition] { try listing() }
}
