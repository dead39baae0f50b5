// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import EFIData
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct GUIDPartitionTableTests {
  /// Created once, because sgdisk sleeps for a second after writing.
  private static let images = [512, 4096].map { blockSize in
    Result {
      let file = try ScratchFile()
      try PartitionedDisk.make(at: file.path, blockSize: blockSize)
      return try file.bytes()
    }
  }

  private static func image(_ blockSize: Int = 512) throws -> [UInt8] { try images[blockSize == 512 ? 0 : 1].get() }

  private static func table(_ bytes: [UInt8], _ blockSize: Int = 512) throws -> GUIDPartitionTable {
    try GUIDPartitionTable(of: bytes, blockSize: blockSize)
  }

  private func rule(_ bytes: [UInt8], _ blockSize: Int = 512) -> ParseError.Rule? {
    thrown(ParseError.self) { try Self.table(bytes, blockSize) }?.rule
  }

  private func expectPartitions(_ table: GUIDPartitionTable, start: UInt64, count: UInt64) throws {
    let esp = try #require(GUID(PartitionedDisk.systemPartitionGUID))
    let other = try #require(GUID(PartitionedDisk.otherGUID))
    #expect(table.diskGUID == GUID(PartitionedDisk.diskGUID))
    #expect(
      table.partitions.map(\.location) == [
        PartitionLocation(number: 1, startBlock: start, blockCount: count, guid: esp),
        PartitionLocation(number: 7, startBlock: start + count, blockCount: count, guid: other),
      ])
    #expect(table.partitions.map { $0.type == GUIDPartitionTable.systemPartitionType } == [true, false])
  }

  @Test func tablesBySgdiskAreRead() throws {
    let table = try Self.table(Self.image())
    try expectPartitions(table, start: 2048, count: 2048)
    #expect(table.damage == nil)
  }

  @Test func blocksOf4096BytesAreSupported() throws {
    let bytes = try Self.image(4096)
    try expectPartitions(Self.table(bytes, 4096), start: 256, count: 256)
    #expect(rule(bytes, 512) == "signature")
    #expect(rule(bytes, 520) == .unsupported)
  }

  @Test(arguments: [512, 520, 528, 600 - 8, 1024, 1024 + 127])
  func theBackupTableReplacesADamagedPrimaryTable(offset: Int) throws {
    var bytes = try Self.image()
    bytes[offset] ^= 0x10
    let table = try Self.table(bytes)
    try expectPartitions(table, start: 2048, count: 2048)
    #expect(table.damage != nil)
    // sgdisk uses it too, and reports why.
    let file = try ScratchFile(bytes)
    let told = try ExternalTool("sgdisk").result(["-v", file.path])
    #expect((told.text + told.errors).contains("main") || (told.text + told.errors).contains("Main"))
  }

  @Test func ifBothTablesAreDamagedThePrimaryIsReported() throws {
    var bytes = try Self.image()
    bytes[600] ^= 1
    bytes[bytes.count - 512] ^= 1
    #expect(rule(bytes) == "checksum")
    #expect(rule(Array(bytes[..<4096])) == "checksum")
    #expect(rule(Array(bytes[..<700])) == .truncated || rule(Array(bytes[..<700])) == .range)
    #expect(rule([]) == .truncated)
  }

  @Test func aTableWithoutProtectiveMBRIsRejected() throws {
    var bytes = try Self.image()
    bytes[450] = 0x83
    #expect(rule(bytes) == .magic)
    #expect(rule([UInt8](repeating: 0, count: 1 << 20)) == .magic)
  }

  /// Both copies of the header with a changed value and valid checksums.
  private func forged(_ offset: Int, _ value: some FixedWidthInteger) throws -> [UInt8] {
    var bytes = try Self.image()
    for start in [512, bytes.count - 512] {
      var header = ByteWriter()
      header.write(bytes[start..<start + 512])
      header.patch(value, at: offset)
      header.patch(UInt32(0), at: 16)
      header.patch(CRC32.of(header.bytes[..<92]), at: 16)
      bytes.replaceSubrange(start..<start + 512, with: header.bytes)
    }
    return bytes
  }

  @Test func hostileNumbersAreRejected() throws {
    let last = UInt64(PartitionedDisk.size / 512)
    #expect(rule(try forged(8, UInt32(0x20000))) == .unsupported)
    for size in [0, 91, 513, .max] as [UInt32] { #expect(rule(try forged(12, size)) == .range) }
    for block in [0, last, .max] as [UInt64] { #expect(rule(try forged(72, block)) == .range) }
    for block in [last, .max] as [UInt64] { #expect(rule(try forged(48, block)) == .range) }
    #expect(rule(try forged(40, UInt64.max)) == .range)
    for count in [8193, .max] as [UInt32] { #expect(rule(try forged(80, count)) == .range) }
    for size in [0, 1, 127, 192, 8192, .max] as [UInt32] { #expect(rule(try forged(84, size)) == .range) }
    #expect(rule(try forged(24, UInt64(5))) == .range)
    #expect(rule(try forged(72, last - 1)) != nil)
    // Partition 7 starts at block 4096.
    #expect(rule(try forged(48, UInt64(4000))) == .range)
    #expect(rule(try forged(40, UInt64(2049))) == .range)
  }

  @Test func damageNeverCrashes() throws {
    let bytes = try Self.image()
    let start = Array(bytes[..<(2048 + 128 * 8)])
    for variant in Mutations(of: start, count: 300) { _ = try? Self.table(variant) }
    for variant in Mutations(of: Array(bytes[512..<604]), count: 300) {
      var disk = bytes[..<65536]
      disk.replaceSubrange(512..<604, with: variant)
      _ = try? Self.table(Array(disk))
    }
  }
}
