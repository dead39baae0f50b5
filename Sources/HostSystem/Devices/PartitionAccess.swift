// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import FATFileSystem
import Glibc

/// How partitions are reached that are mounted nowhere; tests put others in its place.
package struct PartitionAccess: Sendable {
  package enum Access: Sendable {
    /// Not a byte of the device changes, not even FAT's dirty bit.
    case reading
    case writing
  }

  /// Chooses the names of a volume to remove; their content can be read from the device.
  package typealias NameChoice = (_ volume: FATVolume, _ device: any RandomAccessBytes) throws -> [FATFile]

  private let mounting: @Sendable (String, Access, String) throws -> FileSystem
  private let examining: @Sendable (String) throws -> PartitionFacts
  private let reading: @Sendable (String) throws -> FATVolume?
  private let removing: @Sendable (String, NameChoice) throws -> [FATFile]

  /// Without `volume` and `removeNames` what stands for a device has no FAT file system.
  package init(
    mount: @escaping @Sendable (_ device: String, _ access: Access, _ label: String) throws -> FileSystem,
    facts: @escaping @Sendable (_ device: String) throws -> PartitionFacts,
    volume: @escaping @Sendable (_ device: String) throws -> FATVolume? = { _ in nil },
    removeNames: @escaping @Sendable (_ device: String, _ choose: NameChoice) throws -> [FATFile] = { _, _ in [] }
  ) {
    mounting = mount
    examining = facts
    reading = volume
    removing = removeNames
  }

  /// This machine's partitions by device paths of `files`; every writing mount is a mutation of its gate.
  package init(of files: FileSystem) {
    let mounter = PartitionMounter(files: files, system: FileSystem())
    self.init(mount: mounter.mount, facts: mounter.facts, volume: mounter.volume, removeNames: mounter.removeNames)
  }

  /// The partition's files, with `label` before their paths in messages and mutations.
  ///
  /// It is mounted for this value alone: no other process sees it, and it is unmounted and the device free when the
  /// value, its subtrees and the files opened through it are gone.
  ///
  /// While a partition is open for reading Linux refuses to mount it for writing, here and elsewhere: give it up soon.
  /// The other way round both work. So a mount for writing waits up to five seconds for others to finish reading.
  /// Throws `HostError` that says why the device cannot be had that way.
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

  /// What can be known without mounting it.
  ///
  /// Throws `HostError` unless `device` is a block device that can be read.
  package func facts(device: String) throws -> PartitionFacts { try examining(device) }

  /// The names on a FAT file system, mounted or not, as its device has them; nil for another file system, and where
  /// there is no device.
  ///
  /// Throws `ParseError` for a damaged one, `HostError` if it cannot be read.
  package func volume(device: String) throws -> FATVolume? { try reading(device) }

  /// Removes the names that `choose` returns and leaves the allocation table as it is: their clusters stay with the
  /// other names that have them, or are lost until fsck.vfat(8) frees them.
  ///
  /// Returns them.
  ///
  /// Throws `HostError` if the device cannot be written to or is in use, be it mounted, `ParseError` if it is damaged.
  package func removeNames(device: String, choosing choose: NameChoice) throws -> [FATFile] {
    try removing(device, choose)
  }
}
