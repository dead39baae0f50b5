// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Messages

/// The primary partitions of a disk with a legacy master boot record (UEFI 2.10 section 5.2.1).
///
/// | offset | size | field |
/// |---|---|---|
/// | 440 | 4 | UniqueMBRDiskSignature |
/// | 446 | 4 × 16 | partition records: type at 4, StartingLBA at 8, SizeInLBA at 12 |
/// | 510 | 2 | signature, 0xaa55 |
package struct MasterBootRecord: Hashable, Sendable {
  /// Identifies the disk; 0 if it has none.
  package let diskSignature: UInt32
  /// The partitions in use, by number from 1 to 4, except an extended one.
  package let partitions: [PartitionLocation]
  /// Those of the type of an ESP, 0xef.
  package let systemPartitions: [PartitionLocation]

  private static let format = "MBR"
  private static let systemType: UInt8 = 0xef
  private static let extendedTypes: Set<UInt8> = [0x05, 0x0f, 0x85]

  /// Reads the first block of a disk.
  ///
  /// Throws `magic` without the signature at the end. Also throws errors from reading the disk.
  package init(of disk: some RandomAccessBytes) throws {
    let sector = try disk.readBytes(at: 0, count: 512, format: Self.format)
    guard sector[510] == 0x55, sector[511] == 0xaa else {
      throw ParseError(Self.format, at: 510, .magic, "the disk has no master boot record")
    }
    var reader = ByteReader(sector, format: Self.format)
    try reader.seek(to: 440)
    let signature: UInt32 = try reader.read()
    var partitions: [PartitionLocation] = []
    var systemPartitions: [PartitionLocation] = []
    for number in 1...4 {
      let start = 446 + (number - 1) * 16
      let type = sector[start + 4]
      try reader.seek(to: start + 8)
      let (first, count): (UInt32, UInt32) = (try reader.read(), try reader.read())
      guard type != 0, !Self.extendedTypes.contains(type), first > 0, count > 0 else { continue }
      let location = PartitionLocation(
        number: UInt32(number), startBlock: UInt64(first), blockCount: UInt64(count), diskSignature: signature)
      partitions.append(location)
      if type == Self.systemType { systemPartitions.append(location) }
    }
    diskSignature = signature
    self.partitions = partitions
    self.systemPartitions = systemPartitions
  }
}
