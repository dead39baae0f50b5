// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// The partitions of a disk with a GUID Partition Table (UEFI 2.10 section 5.3).
package struct GUIDPartitionTable: Hashable, Sendable {
  package struct Partition: Hashable, Sendable {
    /// GUID of the partition's type (PartitionTypeGUID).
    package let type: GUID
    package let location: PartitionLocation
  }

  package let diskGUID: GUID
  /// Those in use, in the order of their numbers.
  package let partitions: [Partition]
  /// What is wrong with the table at the start of the disk, if the one at its end had to be taken.
  package let damage: ParseError?

  /// The type of an EFI System Partition.
  package static let systemPartitionType = GUID(0xc12a_7328, 0xf81f, 0x11d2, 0xba4b_00a0_c93e_c93b)

  static let format = "GPT"

  /// Reads the table at the start of the disk or, if that is damaged, the one at its end. `blockSize` is the size of
  /// the disk's logical blocks in bytes.
  ///
  /// Throws `ParseError`: `magic` if the disk has no protective MBR (section 5.2.3), without which firmware passes the
  /// table over; else what is wrong with the first table if both are; or what reading the disk throws.
  package init(of disk: some RandomAccessBytes, blockSize: Int) throws {
    guard [512, 1024, 2048, 4096].contains(blockSize) else {
      throw ParseError(Self.format, at: 0, .unsupported, "the disk has blocks of \(blockSize) bytes")
    }
    try Self.requireProtectiveMBR(disk)
    do {
      self = try Self(of: disk, blockSize: blockSize, header: 1, damage: nil)
    } catch let damage as ParseError {
      do {
        let last = UInt64(max(1, disk.count / blockSize) - 1)
        self = try Self(of: disk, blockSize: blockSize, header: last, damage: damage)
      } catch is ParseError {
        throw damage
      }
    }
  }

  private init(of disk: some RandomAccessBytes, blockSize: Int, header block: UInt64, damage: ParseError?) throws {
    let header = try GPTHeader(of: disk, blockSize: blockSize, block: block)
    diskGUID = header.diskGUID
    partitions = try header.partitions(of: disk, blockSize: blockSize)
    self.damage = damage
  }

  /// Partition records of 16 bytes stand at offset 446, their type at 4.
  private static func requireProtectiveMBR(_ disk: some RandomAccessBytes) throws {
    let sector = try disk.readBytes(at: 0, count: 512, format: format)
    let types = stride(from: 446, to: 510, by: 16).map { sector[$0 + 4] }
    guard sector[510] == 0x55, sector[511] == 0xaa, types.contains(0xee) else {
      throw ParseError(format, at: 0, .magic, "the disk has no protective MBR")
    }
  }
}
