// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem

/// A file as it was when an image was made of it.
package struct InputRecord: Hashable, Sendable {
  package var path: String
  package var size: Int
  /// Nanoseconds since 1970.
  package var modified: Int64
  package var inode: UInt64
  /// SHA-256 of the content.
  package var digest: [UInt8]

  package init(path: String, status: FileStatus, digest: [UInt8]) {
    self.init(path: path, size: status.size, modified: status.modified, inode: status.inode, digest: digest)
  }

  package init(path: String, size: Int, modified: Int64, inode: UInt64, digest: [UInt8]) {
    self.path = path
    self.size = size
    self.modified = modified
    self.inode = inode
    self.digest = digest
  }

  /// Whether the file is the same by all that can be seen without opening it.
  package func matches(_ status: FileStatus) -> Bool {
    size == status.size && modified == status.modified && inode == status.inode
  }
}
