// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import EFIData
import Messages
import TestSupport
import Testing

@Suite struct DevicePathTests {
  static let partition = LoadOptionTests.partition
  static let drive = "04012a000100000000080000000000000040010000000000443322116655887799aabbccddeeff000202"
  static let end = "7fff0400"
  /// PciRoot(0x0)/Pci(0x1,0x0)/NVMe, as written by OVMF.
  static let hardware = "02010c00d041030a000000000101060000010317100001000000" + "0000000000000000"

  static func path(_ hexadecimal: String) throws -> DevicePath {
    var reader = ByteReader(try LoadOptionTests.bytes(hexadecimal), format: "test")
    let path = try DevicePath(parsing: &reader)
    try reader.requireEnd()
    return path
  }

  static func serialize(_ path: DevicePath) -> String {
    var writer = ByteWriter()
    path.serialize(into: &writer)
    return writer.bytes.hexadecimal
  }

  /// A file path node.
  static func name(_ text: String) -> String {
    let units = Array(text.utf16) + [0]
    let bytes = units.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
    return "0404" + [UInt8(bytes.count + 4), 0].hexadecimal + bytes.hexadecimal
  }

  @Test func slashesBecomeBackslashes() throws {
    for path in ["/EFI/a.efi", "EFI/a.efi"] {
      let ours = try DevicePath(DevicePath.File(partition: Self.partition, path: path))
      #expect(Self.serialize(ours) == Self.drive + Self.name(#"\EFI\a.efi"#) + Self.end)
      #expect(ours.file == DevicePath.File(partition: Self.partition, path: "/EFI/a.efi"))
    }
  }

  @Test(arguments: [
    drive + name(#"\EFI\Linux\a.efi"#), hardware + drive + name(#"\EFI\Linux\a.efi"#),
    drive + name(#"\EFI\Linux"#) + name("a.efi"), drive + name(#"EFI\\Linux\"#) + name(#"\a.efi"#),
  ])
  func everyFormOfAFilePathIsRead(text: String) throws {
    let path = try Self.path(text + Self.end)
    #expect(path.file == DevicePath.File(partition: Self.partition, path: "/EFI/Linux/a.efi"))
    #expect(Self.serialize(path) == text + Self.end)
  }

  /// Nothing after the partition, no partition, a partition of a DOS label, another node between or after, two
  /// instances, a slash, no NUL, half a character, a NUL in the middle, no name, half a surrogate pair.
  @Test(arguments: [
    drive, name(#"\a"#), drive.dropLast(4) + "0101" + name(#"\a"#), drive + hardware + name(#"\a"#),
    drive + name(#"\a"#) + hardware, drive + name(#"\a"#) + "7f010400" + drive + name(#"\b"#), drive + name("/a"),
    drive + "040406006100", drive + "0404090061006200" + "00", drive + "04040c006100000062000000", drive + name(#"\"#),
    drive + "0404" + "0a00" + "00d841000000",
  ])
  func pathsThatAreNotFilesRoundTrip(text: String) throws {
    let path = try Self.path(text + Self.end)
    #expect(path.file == nil)
    #expect(Self.serialize(path) == text + Self.end)
  }

  @Test func descriptionsFollowTheSpecification() throws {
    let text = #"HD(1,GPT,11223344-5566-7788-99aa-bbccddeeff00,0x800,0x14000)/\a.efi"#
    #expect(try Self.path(Self.drive + Self.name(#"\a.efi"#) + Self.end).description == text)
    let two = try Self.path("0101060000010101060001027f010400" + Self.drive + Self.end)
    #expect(two.description == "Path(1,1,0001)/Path(1,1,0102)," + text.prefix { $0 != "/" })
  }

  /// UEFI 2.10 section 10.3.5.1: MBRType 1, SignatureType 1, and the disk's signature with 12 bytes of zeros.
  ///
  /// The same bytes as efibootmgr prints for a partition of an SD card (ValveSoftware/SteamOS, issue 982).
  @Test func aPartitionOfAnMBRIsNamedByTheDisksSignature() throws {
    let drive =
      "04012a0002000000" + "0000af3b00000000" + "0000010000000000" + "084f7a67" + "000000000000000000000000" + "0101"
    let partition = PartitionLocation(
      number: 2, startBlock: 0x3baf_0000, blockCount: 0x10000, diskSignature: 0x677a_4f08)
    let file = DevicePath.File(partition: partition, path: "/EFI/a.efi")
    let text = drive + Self.name(#"\EFI\a.efi"#) + Self.end
    #expect(try Self.serialize(DevicePath(file)) == text)
    #expect(try Self.path(text).file == file && partition.name == "677a4f08-02")
    #expect(try Self.path(text).description == #"HD(2,MBR,0x677a4f08,0x3baf0000,0x10000)/\EFI\a.efi"#)
  }

  @Test(arguments: [
    ("", ParseError.Rule.truncated), ("04", .truncated), ("04010300", .range), ("04010000", .range),
    ("0401ffff", .truncated), ("7fff0500" + "00", .range), ("7f010400", .truncated), ("0404050000", .truncated),
  ])
  func malformedPathsAreRejected(text: String, rule: ParseError.Rule) throws {
    #expect(thrown(ParseError.self) { try Self.path(text) }?.rule == rule)
  }

  @Test func aNodeIsLimitedByItsLengthField() throws {
    let data = [UInt8](repeating: 1, count: 65531)
    let node = try DevicePathNode(type: 3, subtype: 24, data: data)
    let path = DevicePath(nodes: [node])
    #expect(try Self.path(Self.serialize(path)) == path)
    #expect(throws: ParseError.self) { try DevicePathNode(type: 3, subtype: 24, data: data + [1]) }
  }

  /// efibootmgr reads the file path and the partition from the written variable.
  @Test func efibootmgrReadsWrittenPaths() throws {
    let directory = try TemporaryDirectory()
    let file = DevicePath.File(partition: Self.partition, path: "/EFI/Linux/pve-1~previous.efi")
    let option = try LoadOption(description: "Proxmox VE 1", file: file)
    let content = EFIVariableContent(attributes: .bootManager, data: option.serialize())
    try directory.write(EFIVariableName.bootOption(0xab).fileName, content.serialize())
    let order = EFIVariableContent(attributes: .bootManager, data: BootOrder([0xab, 3]).serialize())
    try directory.write(EFIVariableName.bootOrder.fileName, order.serialize())
    let disk = PartitionLocation(number: 2, startBlock: 0x3baf_0000, blockCount: 0x10000, diskSignature: 0x677a_4f08)
    let other = try LoadOption(description: "MBR", file: DevicePath.File(partition: disk, path: "/a.efi"))
    let second = EFIVariableContent(attributes: .bootManager, data: other.serialize())
    try directory.write(EFIVariableName.bootOption(0xac).fileName, second.serialize())
    let listing = try ExternalTool("env").run(["EFIVARFS_PATH=\(directory.path)/", "efibootmgr", "-v"])
    let expected = """
      BootOrder: 00AB,0003
      Boot00AB* Proxmox VE 1\tHD(1,GPT,11223344-5566-7788-99aa-bbccddeeff00,0x800,0x14000)/File(\\EFI\\Linux\\pve-1~previous.efi)
      Boot00AC* MBR\tHD(2,MBR,0x677a4f08,0x3baf0000,0x10000)/File(\\a.efi)

      """
    #expect(String(decoding: listing, as: UTF8.self) == expected)
  }
}
