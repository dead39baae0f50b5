// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// The location of a partition on its disk, as in a hard drive device path node (UEFI 2.10 section 10.3.5.1).
package struct PartitionLocation: Hashable, Sendable {
  /// The position of its entry in the partition table, from 1.
  package var number: UInt32
  /// First block, in logical blocks of the disk.
  package var startBlock: UInt64
  /// Number of logical blocks.
  package var blockCount: UInt64
  /// The node's PartitionSignature: in a GPT the partition's own GUID (UniquePartitionGUID), not that of its type; in an
  /// MBR the signature of the disk, then zeros.
  package var guid: GUID
  /// Whether the disk has a master boot record instead of a GPT.
  package let isMBR: Bool

  /// A GPT partition.
  package init(number: UInt32, startBlock: UInt64, blockCount: UInt64, guid: GUID) {
    self.init(number: number, startBlock: startBlock, blockCount: blockCount, guid: guid, isMBR: false)
  }

  /// A primary partition of a disk with a master boot record; the disk's signature is not 0.
  package init(number: UInt32, startBlock: UInt64, blockCount: UInt64, diskSignature: UInt32) {
    self.init(
      number: number, startBlock: startBlock, blockCount: blockCount, guid: GUID(diskSignature, 0, 0, 0), isMBR: true)
  }

  init(number: UInt32, startBlock: UInt64, blockCount: UInt64, guid: GUID, isMBR: Bool) {
    self.number = number
    self.startBlock = startBlock
    self.blockCount = blockCount
    self.guid = guid
    self.isMBR = isMBR
  }

  /// Whether both are the same partition, even if it was moved: a GUID is unique, a disk's signature needs the number.
  package func isSamePartition(as other: Self) -> Bool {
    guid == other.guid && isMBR == other.isMBR && (!isMBR || number == other.number)
  }

  /// The name of the partition's link in /dev/disk/by-partuuid: its GUID, or `1234abcd-01` on a disk with an MBR.
  package var name: String {
    guard isMBR else { return guid.description }
    let digits = String(number, radix: 16)
    return "\(guid.description.prefix(8))-\(digits.utf8.count < 2 ? "0" : "")\(digits)"
  }
}
