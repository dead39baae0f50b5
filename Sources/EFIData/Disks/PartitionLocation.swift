// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// The location of a GPT partition on its disk, as in a hard drive device path node (UEFI 2.10 section 10.3.5.1).
package struct PartitionLocation: Hashable, Sendable {
  /// The position of its entry in the partition table, from 1.
  package var number: UInt32
  /// First block, in logical blocks of the disk.
  package var startBlock: UInt64
  /// Number of logical blocks.
  package var blockCount: UInt64
  /// The partition's own GUID (UniquePartitionGUID), not that of its type.
  package var guid: GUID

  package init(number: UInt32, startBlock: UInt64, blockCount: UInt64, guid: GUID) {
    self.number = number
    self.startBlock = startBlock
    self.blockCount = blockCount
    self.guid = guid
  }
}
