// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import FATFileSystem
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct FATBootSectorTests {
  struct Layout: Sendable, CustomStringConvertible {
    var kind: FATBootSector.Kind
    var bits: Int
    var megabytes: Int
    var sectorSize = 512
    var description: String { "\(kind.rawValue) with sectors of \(sectorSize)" }
  }

  static let layouts = [
    Layout(kind: .fat12, bits: 12, megabytes: 2), Layout(kind: .fat16, bits: 16, megabytes: 32),
    Layout(kind: .fat32, bits: 32, megabytes: 64), Layout(kind: .fat32, bits: 32, megabytes: 300, sectorSize: 4096),
  ]

  /// An image created by mkfs.vfat.
  static func image(_ layout: Layout) throws -> ScratchFile {
    let file = try ScratchFile()
    try ExternalTool("truncate").run(["-s", "\(layout.megabytes)M", file.path])
    try ExternalTool("mkfs.vfat").run([
      "-F", "\(layout.bits)", "-S", "\(layout.sectorSize)", "-i", "01ab2cde", file.path,
    ])
    return file
  }

  static func sector(of file: ScratchFile) throws -> [UInt8] {
    try FileSystem().openFile(file.path).readBytes(at: 0, count: FATBootSector.byteCount, format: "test")
  }

  static func setByte(_ offset: Int, _ value: UInt8, in file: ScratchFile) throws {
    try ExternalTool("dd").run(
      ["of=\(file.path)", "bs=1", "seek=\(offset)", "conv=notrunc", "status=none"], input: [value])
  }

  @Test(arguments: layouts) func bootSectorsByMkfsAreRead(layout: Layout) throws {
    let file = try Self.image(layout)
    let sector = try FATBootSector(parsing: Self.sector(of: file))
    #expect(sector.kind == layout.kind)
    #expect(sector.volumeID == "01AB-2CDE")
    #expect(!sector.isDirty)
    #expect(sector.sectorSize == layout.sectorSize)
    #expect(sector.size <= layout.megabytes << 20 && sector.size > (layout.megabytes << 20) - 64 << 10)
    let identifier = try ExternalTool("blkid").run(["-o", "value", "-s", "UUID", file.path])
    #expect(String(decoding: identifier, as: UTF8.self) == sector.volumeID + "\n")
    let version = try ExternalTool("blkid").run(["-p", "-o", "value", "-s", "VERSION", file.path])
    #expect(String(decoding: version, as: UTF8.self) == sector.kind.rawValue + "\n")
  }

  /// fsck.vfat reports the same bit, and clears it.
  @Test(arguments: layouts) func theDirtyBitMatchesFsck(layout: Layout) throws {
    let file = try Self.image(layout)
    try Self.setByte(layout.kind == .fat32 ? 0x41 : 0x25, 1, in: file)
    #expect(try FATBootSector(parsing: Self.sector(of: file)).isDirty)
    #expect(try ExternalTool("fsck.vfat").result(["-n", file.path]).text.contains("Dirty bit is set"))
    #expect(try ExternalTool("fsck.vfat").result(["-a", file.path]).status == 1)
    #expect(try !FATBootSector(parsing: Self.sector(of: file)).isDirty)
  }

  @Test func otherContentIsNotFAT() throws {
    var sector = try Self.sector(of: Self.image(Self.layouts[2]))
    func rule(_ bytes: [UInt8]) -> ParseError.Rule? {
      thrown(ParseError.self) { try FATBootSector(parsing: bytes) }?.rule
    }
    #expect(rule([UInt8](repeating: 0, count: 512)) == .magic)
    #expect(rule(Array(sector[..<511])) == .truncated)
    sector.replaceSubrange(3..<11, with: "NTFS    ".utf8)
    #expect(rule(sector) == .magic)
    sector[510] = 0
    #expect(rule(sector) == .magic)
  }

  @Test(arguments: [
    (11, 3), (12, 3), (12, 0), (13, 0), (13, 3), (14, 0), (16, 0), (21, 0xf1), (36, 0), (38, 0xff), (35, 0),
  ]) func anInvalidFieldIsReported(offset: Int, value: UInt8) throws {
    var sector = try Self.sector(of: Self.image(Self.layouts[2]))
    if offset == 35 { sector.replaceSubrange(32..<36, with: [0, 0, 0, 0]) }
    if offset == 36 { sector.replaceSubrange(36..<40, with: [0, 0, 0, 0]) }
    if offset == 14 { sector[15] = 0 }
    sector[offset] = value
    let error = thrown(ParseError.self) { try FATBootSector(parsing: sector) }
    #expect(error?.rule == .range, "\(String(describing: error))")
  }

  @Test(arguments: layouts) func damageNeverCrashes(layout: Layout) throws {
    let sector = try Self.sector(of: Self.image(layout))
    for count in 0..<sector.count {
      #expect(throws: ParseError.self) { try FATBootSector(parsing: Array(sector[..<count])) }
    }
    for variant in Mutations(of: sector, count: 2000) { _ = try? FATBootSector(parsing: variant) }
  }
}
