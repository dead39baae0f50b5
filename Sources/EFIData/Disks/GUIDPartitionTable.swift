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

  /// Reads the table at the start of the disk or, if that is damaged, the one at its end.
  ///
  /// `blockSize` is the size of the disk's logical blocks in bytes.
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

  /// Far above the 128 entries that every tool makes.
  private static let entriesLimit = 1 << 20

  /// Throws `ParseError` unless that block holds a header that is whole and speaks of blocks of this disk.
  init(of disk: any RandomAccessBytes, blockSize: Int, block: UInt64) throws {
    let start = try Self.offset(of: block, blockSize: blockSize, on: disk, at: 0)
    let bytes = try disk.readBytes(at: start, count: blockSize, format: GUIDPartitionTable.format)
    var reader = ByteReader(bytes[...], format: GUIDPartitionTable.format, startingAt: start)
    guard try reader.read(count: 8).elementsEqual("EFI PART".utf8) else {
      throw Self.wrong(start, "signature", "there is no header")
    }
    guard try reader.read(UInt32.self) >> 16 == 1 else {
      throw Self.wrong(start + 8, .unsupported, "the header is of an unknown revision")
    }
    let size = try reader.readCount(UInt32.self)
    guard 92...blockSize ~= size else { throw Self.wrong(start + 12, .range, "a header of \(size) bytes") }
    let check = try reader.read(UInt32.self)
    guard CRC32.of(bytes[..<16] + [0, 0, 0, 0] + bytes[20..<size]) == check else {
      throw Self.wrong(start + 16, "checksum", "the header's checksum is wrong")
    }
    try reader.skip(4)
    guard try reader.read(UInt64.self) == block else {
      throw Self.wrong(start + 24, .range, "the header belongs to another block")
    }
    try reader.skip(8)
    firstUsable = try reader.read()
    lastUsable = try reader.read()
    guard firstUsable <= lastUsable, lastUsable < UInt64(disk.count / blockSize) else {
      throw Self.wrong(start + 40, .range, "partitions from block \(firstUsable) to \(lastUsable) do not fit the disk")
    }
    diskGUID = try GUID(parsing: &reader)
    entriesOffset = try Self.offset(of: reader.read(), blockSize: blockSize, on: disk, at: start + 72)
    entryCount = try reader.readCount(UInt32.self)
    entrySize = try reader.readCount(UInt32.self)
    guard (128...4096).contains(entrySize), entrySize.nonzeroBitCount == 1,
      entryCount <= Self.entriesLimit / entrySize
    else { throw Self.wrong(start + 80, .range, "\(entryCount) entries of \(entrySize) bytes") }
    entriesCheck = try reader.read()
  }

  /// The entries in use (section 5.3.3).
  ///
  /// Throws `ParseError` if the array is damaged.
  func partitions(of disk: some RandomAccessBytes, blockSize: Int) throws -> [GUIDPartitionTable.Partition] {
    let format = GUIDPartitionTable.format
    let bytes = try disk.readBytes(at: entriesOffset, count: entryCount * entrySize, format: format)
    guard CRC32.of(bytes) == entriesCheck else {
      throw Self.wrong(entriesOffset, "checksum", "the checksum of the entries is wrong")
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
        throw Self.wrong(start + 32, .range, "partition \(number + 1) lies outside the usable blocks")
      }
      let location = PartitionLocation(
        number: UInt32(number) + 1, startBlock: first, blockCount: last - first + 1, guid: guid)
      partitions.append(.init(type: type, location: location))
    }
    return partitions
  }

  /// The byte at which a block begins.
  ///
  /// Throws `range` if it lies outside the disk; `field` is where its number stands.
  private static func offset(
    of block: UInt64, blockSize: Int, on disk: any RandomAccessBytes, at field: Int
  ) throws -> Int {
    guard block > 0, block < UInt64(disk.count / blockSize) else {
      throw wrong(field, .range, "block \(block) lies outside the disk")
    }
    return Int(block) * blockSize
  }

  private static func wrong(_ offset: Int, _ rule: ParseError.Rule, _ detail: Message) -> ParseError {
    ParseError(GUIDPartitionTable.format, at: offset, rule, detail)
  }
}
