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
  /// The partitions in use, by number.
  package let partitions: [Partition]
  /// The damage of the table at the start of the disk, if the one at the end is used instead.
  package let damage: ParseError?

  /// The type of an EFI System Partition.
  package static let systemPartitionType = GUID(0xc12a_7328, 0xf81f, 0x11d2, 0xba4b_00a0_c93e_c93b)

  static let format = "GPT"

  /// Reads the table at the start of the disk or, if that is damaged, the one at the end.
  ///
  /// `blockSize` is the size of the disk's logical blocks in bytes.
  ///
  /// Throws `ParseError`: `magic` if the disk has no protective MBR (section 5.2.3), without which firmware ignores the
  /// table; the damage of the first table if both are damaged. Also throws errors from reading the disk.
  package init(of disk: some RandomAccessBytes, blockSize: Int) throws {
    guard [512, 1024, 2048, 4096].contains(blockSize) else {
      throw ParseError(Self.format, at: 0, .unsupported, "unsupported block size of \(blockSize) bytes")
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

  /// Partition records of 16 bytes start at offset 446, with their type at 4.
  private static func requireProtectiveMBR(_ disk: some RandomAccessBytes) throws {
    let sector = try disk.readBytes(at: 0, count: 512, format: format)
    let types = stride(from: 446, to: 510, by: 16).map { sector[$0 + 4] }
    guard sector[510] == 0x55, sector[511] == 0xaa, types.contains(0xee) else {
      throw ParseError(format, at: 0, .magic, "the disk has no protective MBR")
    }
  }
}

/// A GPT header (UEFI 2.10 section 5.3.2), one of the two that a disk has.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 8 | Signature, `EFI PART` |
/// | 8 | 4 | Revision, 0x00010000 |
/// | 12 | 4 | HeaderSize, 92 up to a block |
/// | 16 | 4 | HeaderCRC32, of HeaderSize bytes with this field 0 |
/// | 24 | 8 | MyLBA, the block this header is in |
/// | 32 | 8 | AlternateLBA |
/// | 40 | 8 | FirstUsableLBA |
/// | 48 | 8 | LastUsableLBA |
/// | 56 | 16 | DiskGUID |
/// | 72 | 8 | PartitionEntryLBA |
/// | 80 | 4 | NumberOfPartitionEntries |
/// | 84 | 4 | SizeOfPartitionEntry, 128 times a power of two |
/// | 88 | 4 | PartitionEntryArrayCRC32 |
struct GPTHeader {
  let diskGUID: GUID
  private let firstUsable: UInt64
  private let lastUsable: UInt64
  private let entriesOffset: Int
  private let entryCount: Int
  private let entrySize: Int
  private let entriesCheck: UInt32

  /// In bytes; far more than the 128 entries that all tools create.
  private static let entriesLimit = 1 << 20

  /// Throws `ParseError` unless that block has an undamaged header whose block numbers are on this disk.
  init(of disk: any RandomAccessBytes, blockSize: Int, block: UInt64) throws {
    let start = try Self.offset(of: block, blockSize: blockSize, on: disk, at: 0)
    let bytes = try disk.readBytes(at: start, count: blockSize, format: GUIDPartitionTable.format)
    var reader = ByteReader(bytes[...], format: GUIDPartitionTable.format, startingAt: start)
    guard try reader.read(count: 8).elementsEqual("EFI PART".utf8) else {
      throw Self.wrong(start, "signature", "no GPT header found")
    }
    guard try reader.read(UInt32.self) >> 16 == 1 else {
      throw Self.wrong(start + 8, .unsupported, "the header has an unknown revision")
    }
    let size = try reader.readCount(UInt32.self)
    guard 92...blockSize ~= size else { throw Self.wrong(start + 12, .range, "invalid header size of \(size) bytes") }
    let check = try reader.read(UInt32.self)
    guard CRC32.of(bytes[..<16] + [0, 0, 0, 0] + bytes[20..<size]) == check else {
      throw Self.wrong(start + 16, "checksum", "the header's checksum is wrong")
    }
    try reader.skip(4)
    guard try reader.read(UInt64.self) == block else {
      throw Self.wrong(start + 24, .range, "the header is for a different block")
    }
    try reader.skip(8)
    firstUsable = try reader.read()
    lastUsable = try reader.read()
    guard firstUsable <= lastUsable, lastUsable < UInt64(disk.count / blockSize) else {
      throw Self.wrong(start + 40, .range, "usable blocks \(firstUsable) to \(lastUsable) do not fit on the disk")
    }
    diskGUID = try GUID(parsing: &reader)
    entriesOffset = try Self.offset(of: reader.read(), blockSize: blockSize, on: disk, at: start + 72)
    entryCount = try reader.readCount(UInt32.self)
    entrySize = try reader.readCount(UInt32.self)
    guard (128...4096).contains(entrySize), entrySize.nonzeroBitCount == 1,
      entryCount <= Self.entriesLimit / entrySize
    else { throw Self.wrong(start + 80, .range, "invalid table of \(entryCount) entries of \(entrySize) bytes") }
    entriesCheck = try reader.read()
  }

  /// The entries in use (section 5.3.3).
  ///
  /// Throws `ParseError` if the array is damaged.
  func partitions(of disk: some RandomAccessBytes, blockSize: Int) throws -> [GUIDPartitionTable.Partition] {
    let format = GUIDPartitionTable.format
    let bytes = try disk.readBytes(at: entriesOffset, count: entryCount * entrySize, format: format)
    guard CRC32.of(bytes) == entriesCheck else {
      throw Self.wrong(entriesOffset, "checksum", "the checksum of the partition entries is wrong")
    }
    var reader = ByteReader(bytes[...], format: format, startingAt: entriesOffset)
    var partitions: [GUIDPartitionTable.Partition] = []
    for number in 0..<entryCount {
      let start = reader.offset
      var entry = try reader.subReader(count: entrySize)
      let type = try GUID(parsing: &entry)
      let guid = try GUID(parsing: &entry)
      let first: UInt64 = try entry.read()
      let last: UInt64 = try entry.read()
      if type.bytes.allSatisfy({ $0 == 0 }) { continue }
      guard firstUsable <= first, first <= last, last <= lastUsable else {
        throw Self.wrong(start + 32, .range, "partition \(number + 1) is outside the usable blocks")
      }
      let location = PartitionLocation(
        number: UInt32(number) + 1, startBlock: first, blockCount: last - first + 1, guid: guid)
      partitions.append(.init(type: type, location: location))
    }
    return partitions
  }

  /// The first byte of a block.
  ///
  /// `field` is the offset of the block number. Throws `range` if the block is outside the disk.
  private static func offset(
    of block: UInt64, blockSize: Int, on disk: any RandomAccessBytes, at field: Int
  ) throws -> Int {
    guard block > 0, block < UInt64(disk.count / blockSize) else {
      throw wrong(field, .range, "block \(block) is outside the disk")
    }
    return Int(block) * blockSize
  }

  private static func wrong(_ offset: Int, _ rule: ParseError.Rule, _ detail: Message) -> ParseError {
    ParseError(GUIDPartitionTable.format, at: offset, rule, detail)
  }
}
