// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc

/// The status of a file, as from stat(2).
package struct FileStatus: Hashable, Sendable {
  package enum Kind: Sendable { case regular, directory, symbolicLink, blockDevice, other }

  package var kind: Kind
  /// Bytes.
  package var size: Int
  /// Time of the last change of the content, in nanoseconds since 1970.
  package var modified: Int64
  /// Permission bits, without the kind.
  package var mode: UInt32
  package var owner: UInt32
  package var inode: UInt64
  package var device: UInt64
  /// The device number of a block device; nil for other files.
  package var blockDevice: DeviceNumber?

  init(_ status: stat) {
    switch status.st_mode & S_IFMT {
    case S_IFREG: kind = .regular
    case S_IFDIR: kind = .directory
    case S_IFLNK: kind = .symbolicLink
    case S_IFBLK: kind = .blockDevice
    default: kind = .other
    }
    size = Int(status.st_size)
    modified = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
    mode = UInt32(status.st_mode & 0o7777)
    owner = UInt32(status.st_uid)
    inode = UInt64(status.st_ino)
    device = UInt64(status.st_dev)
    blockDevice = kind == .blockDevice ? DeviceNumber(status.st_rdev) : nil
  }

  /// Whether the file is on the file system of the block device with status `device`.
  package func isStored(on device: FileStatus) -> Bool { device.blockDevice == DeviceNumber(dev_t(self.device)) }

  /// Whether both are the same file, regardless of their names.
  package func isSameFile(as other: FileStatus) -> Bool { inode == other.inode && device == other.device }
}
