// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// The boot sector of a FAT file system ("FAT32 File System Specification 1.03", Boot Sector and BPB; Linux and Windows
/// NT store the state byte in a field that is reserved there).
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 3 | jump instruction, EBh or E9h |
/// | 11 | 2 | bytes per sector |
/// | 13 | 1 | sectors per cluster |
/// | 14 | 2 | reserved sectors |
/// | 16 | 1 | number of FATs |
/// | 17 | 2 | entries of the root directory, 0 for FAT32 |
/// | 19 | 2 | number of sectors, 0 if it is at 32 |
/// | 21 | 1 | media |
/// | 22 | 2 | sectors per FAT, 0 if it is at 36 as in FAT32 |
/// | 32 | 4 | number of sectors |
/// | 36 | 4 | sectors per FAT, FAT32 only |
/// | 40 | 2 | FAT32 only: bit 7 if only one FAT is updated, bits 0 to 3 its number |
/// | 44 | 4 | first cluster of the root directory, FAT32 only |
/// | 37, FAT32 65 | 1 | state, bit 0 while mounted for writing |
/// | 39, FAT32 67 | 4 | volume serial number |
/// | 510 | 2 | 55h AAh |
package struct FATBootSector: Hashable, Sendable {
  package enum Kind: String, Sendable { case fat12 = "FAT12", fat16 = "FAT16", fat32 = "FAT32" }

  package let kind: Kind
  package let serialNumber: UInt32
  /// Whether the file system is mounted for writing or was not cleanly unmounted: Linux sets this while it is mounted
  /// for writing, and keeps it if it was already set.
  package let isDirty: Bool
  /// Size of a sector in bytes, 512 to 4096.
  package let sectorSize: Int
  /// Size of a cluster in bytes.
  package let clusterSize: Int
  /// Size of the whole file system in bytes.
  package let size: Int
  let tables: Tables
  /// The root directory of FAT12 and FAT16 in bytes from the start; empty for FAT32.
  let rootRange: Range<Int>
  /// First cluster of the root directory of FAT32; 0 for FAT12 and FAT16.
  let rootCluster: UInt32
  /// Offset of the first cluster, which has number 2.
  let dataOffset: Int
  let clusterCount: Int

  /// Number of bytes that `init(parsing:)` needs.
  package static let byteCount = 512
  private static let format = "FAT boot sector"

  /// Throws `magic` if this is not a FAT file system, another rule if Linux would not mount it.
  package init(parsing bytes: [UInt8]) throws(ParseError) {
    var reader = ByteReader(bytes, format: Self.format)
    let jump = try reader.read(UInt8.self)
    try reader.skip(2)
    let system = Array(try reader.read(count: 8))
    try reader.seek(to: 510)
    guard try reader.read(UInt16.self) == 0xaa55, jump == 0xeb || jump == 0xe9,
      system != Array("NTFS    ".utf8), system != Array("EXFAT   ".utf8)
    else { throw ParseError(Self.format, at: 0, .magic, "not a FAT file system") }

    try reader.seek(to: 11)
    let parameters = try Parameters(parsing: &reader)
    kind = parameters.kind
    sectorSize = parameters.sectorSize
    clusterSize = parameters.sectorSize * parameters.sectorsPerCluster
    // At most 4096 times 2^32.
    size = parameters.sectorSize * parameters.sectors
    tables = parameters.tables
    rootRange = parameters.rootRange
    rootCluster = parameters.rootCluster
    dataOffset = parameters.dataOffset
    clusterCount = parameters.clusterCount
    try reader.seek(to: kind == .fat32 ? 65 : 37)
    isDirty = try reader.read(UInt8.self) & 1 != 0
    try reader.skip(1)
    serialNumber = try reader.read()
  }

  /// The serial number as in `/dev/disk/by-uuid` and blkid(8), such as `1111-AAA1`.
  package var volumeID: String {
    var digits = Array(String(serialNumber, radix: 16, uppercase: true).utf8)
    digits = Array(repeatElement(UInt8(ascii: "0"), count: 8 - digits.count)) + digits
    return String(decoding: digits[..<4] + [UInt8(ascii: "-")] + digits[4...], as: UTF8.self)
  }

  /// The file allocation tables, which are adjacent.
  struct Tables: Hashable, Sendable {
    /// Offset of the first table in bytes.
    var offset: Int
    /// Size of each table in bytes.
    var size: Int
    var count: Int
    /// The only table that is updated (BPB_ExtFlags); nil if all are, as always in FAT12 and FAT16.
    var sole: Int?
  }

  /// The BIOS parameter block, checked by the rules of Linux.
  private struct Parameters {
    var kind = Kind.fat32
    var sectorSize: Int
    var sectorsPerCluster: Int
    var sectors: Int
    var tables: Tables
    var rootRange: Range<Int>
    var rootCluster: UInt32 = 0
    var dataOffset: Int
    var clusterCount: Int

    init(parsing reader: inout ByteReader) throws(ParseError) {
      sectorSize = Int(try reader.read(UInt16.self))
      guard [512, 1024, 2048, 4096].contains(sectorSize) else { throw Self.wrong(11, "\(sectorSize) bytes per sector") }
      sectorsPerCluster = Int(try reader.read(UInt8.self))
      guard sectorsPerCluster.nonzeroBitCount == 1 else {
        throw Self.wrong(13, "\(sectorsPerCluster) sectors per cluster")
      }
      let reserved = Int(try reader.read(UInt16.self))
      guard reserved > 0 else { throw Self.wrong(14, "no reserved sectors") }
      let tableCount = Int(try reader.read(UInt8.self))
      guard tableCount > 0 else { throw Self.wrong(16, "no FAT") }
      let rootEntries = Int(try reader.read(UInt16.self))
      let shortCount = Int(try reader.read(UInt16.self))
      let media = try reader.read(UInt8.self)
      guard media >= 0xf8 || media == 0xf0 else { throw Self.wrong(21, "media type 0x\([media].hexadecimal)") }
      let shortTable = Int(try reader.read(UInt16.self))
      try reader.seek(to: 32)
      let longCount = Int(try reader.read(UInt32.self))
      let longTable = Int(try reader.read(UInt32.self))
      let flags = try reader.read(UInt16.self)
      try reader.skip(2)
      let root = try reader.read(UInt32.self)
      sectors = shortCount > 0 ? shortCount : longCount
      let table = shortTable > 0 ? shortTable : longTable
      guard table > 0 else { throw Self.wrong(22, "a FAT of 0 sectors") }
      let rootSectors = (rootEntries * 32 + sectorSize - 1) / sectorSize
      let firstData = reserved + tableCount * table + rootSectors
      let rest = sectors - firstData
      guard rest >= sectorsPerCluster else { throw Self.wrong(32, "\(sectors) sectors, none of them for data") }

      tables = Tables(offset: reserved * sectorSize, size: table * sectorSize, count: tableCount, sole: nil)
      let tablesEnd = (reserved + tableCount * table) * sectorSize
      rootRange = tablesEnd..<tablesEnd + rootEntries * 32
      dataOffset = firstData * sectorSize
      if shortTable > 0 {
        kind = rest / sectorsPerCluster > Kind.fat12.clusterLimit ? .fat16 : .fat12
      } else {
        rootRange = tablesEnd..<tablesEnd
        rootCluster = root
        if flags & 0x80 != 0 { tables.sole = Int(flags & 0xf) }
      }
      // The first two entries have no cluster; clusters without an entry are never used.
      clusterCount = min(rest / sectorsPerCluster, tables.size * 8 / kind.bits - 2)
      guard clusterCount <= kind.clusterLimit else { throw Self.wrong(32, "\(clusterCount) clusters") }
    }

    private static func wrong(_ offset: Int, _ detail: Message) -> ParseError {
      ParseError(FATBootSector.format, at: offset, .range, "invalid value: \(detail)")
    }
  }
}

extension FATBootSector.Kind {
  /// Bits of an entry in the allocation table.
  var bits: Int {
    switch self {
    case .fat12: 12
    case .fat16: 16
    case .fat32: 32
    }
  }

  /// The maximum number of clusters that Linux accepts.
  fileprivate var clusterLimit: Int {
    switch self {
    case .fat12: 0xff4
    case .fat16: 0xfff4
    case .fat32: 0xfff_fff6
    }
  }
}
