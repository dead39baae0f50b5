// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import EFIData
import Messages
import TestSupport
import Testing

@Suite struct LoadOptionTests {
  static let guid = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
  static let partition = PartitionLocation(number: 1, startBlock: 0x800, blockCount: 0x14000, guid: guid)
  static let path = "/EFI/Linux/pve-6.8.12-9-pve.efi"

  static func bytes(_ hexadecimal: String) throws -> [UInt8] { try #require([UInt8](hexadecimal: hexadecimal)) }

  /// Written by `efibootmgr --create` 17 for a partition of a loop device.
  static let byEfibootmgr =
    "010000007200500072006f0078006d006f007800200056004500200036002e0038002e00310032002d0039002d0070007600650000000401"
    + "2a000100000000080000000000000040010000000000443322116655887799aabbccddeeff000202040444005c004500460049005c004c"
    + "0069006e00750078005c007000760065002d0036002e0038002e00310032002d0039002d007000760065002e0065006600690000007fff"
    + "0400"

  /// Written by virt-firmware 26.10, with the optional data `abc`.
  static let byVirtFirmware =
    "010000007200500072006f0078006d006f007800200056004500200036002e0038002e00310032002d0039002d0070007600650000000401"
    + "2a000200000000080000000000000000100000000000443322116655887799aabbccddeeff000202040444005c004500460049005c004c"
    + "0069006e00750078005c007000760065002d0036002e0038002e00310032002d0039002d007000760065002e0065006600690000007fff"
    + "0400616263"

  /// Created by OVMF 2022.11: a program in the firmware, a controller, HTTP boot over IPv4.
  static let byFirmware: [(description: String, text: String)] = [
    (
      "UiApp",
      "090100002c0055006900410070007000000004071400c9bdb87cebf8344faaea3ee4af6516a10406140021aa2c4614760345836e"
        + "8ab6f46623317fff0400"
    ),
    (
      "UEFI QEMU NVMe Ctrl a1 1",
      "01000000260055004500460049002000510045004d00550020004e0056004d00650020004300740072006c002000610031002000"
        + "3100000002010c00d041030a00000000010106000001031710000100000000000000000000007fff04004eac0881119f594d850e"
        + "e21a522c59b2"
    ),
    (
      "UEFI HTTPv4 (MAC:525400123456)",
      "010000005a0055004500460049002000480054005400500076003400200028004d00410043003a00350032003500340030003000"
        + "3100320033003400350036002900000002010c00d041030a00000000010106000002030b25005254001234560000000000000000"
        + "00000000000000000000000000000000000001030c1b000000000000000000000000000000000000000000000000031804007fff"
        + "04004eac0881119f594d850ee21a522c59b2"
    ),
  ]

  @Test func bytesMatchEfibootmgr() throws {
    let file = DevicePath.File(partition: Self.partition, path: Self.path)
    let ours = try LoadOption(description: "Proxmox VE 6.8.12-9-pve", file: file)
    #expect(try ours.serialize() == Self.bytes(Self.byEfibootmgr))
    #expect(try LoadOption(parsing: Self.bytes(Self.byEfibootmgr)) == ours)
  }

  @Test func bytesMatchVirtFirmware() throws {
    let partition = PartitionLocation(number: 2, startBlock: 2048, blockCount: 1_048_576, guid: Self.guid)
    let file = DevicePath.File(partition: partition, path: Self.path)
    let ours = try LoadOption(description: "Proxmox VE 6.8.12-9-pve", file: file, optionalData: Array("abc".utf8))
    #expect(try ours.serialize() == Self.bytes(Self.byVirtFirmware))
    #expect(ours.file == file)
  }

  @Test func entriesByTheFirmwareRoundTrip() throws {
    for (description, text) in Self.byFirmware {
      let bytes = try Self.bytes(text)
      let option = try LoadOption(parsing: bytes)
      #expect(option.serialize() == bytes)
      #expect(option.description == description)
      #expect(option.file == nil)
      #expect(option.attributes.contains(.active) && option.paths.count == 1)
    }
    let menu = try LoadOption(parsing: Self.bytes(Self.byFirmware[0].text))
    #expect(menu.attributes == LoadOption.Attributes(rawValue: 0x109))
    #expect(menu.attributes.contains(.hidden))
  }

  @Test func onlyAssignedFieldsChange() throws {
    var option = try LoadOption(parsing: Self.bytes(Self.byFirmware[1].text))
    option.description = "é\0more"
    option.optionalData = []
    let bytes = option.serialize()
    #expect(bytes.prefix(10) == [1, 0, 0, 0, 0x26, 0, 0xe9, 0, 0, 0])
    #expect(try bytes.dropFirst(10) == Self.bytes(Self.byFirmware[1].text).dropFirst(6 + 50).prefix(0x26))
  }

  /// Unknown attributes, a description that is not valid text, no path, two paths, 0xff instead of 0x7f.
  @Test(arguments: [
    "ffffffff0000" + "0000", "010000000000" + "00d84100" + "0000" + "7fff0400",
    "010000000800" + "0000" + "7fff0400" + "fffF0400" + "01",
  ])
  func unusualButValidContentRoundTrips(text: String) throws {
    let bytes = try Self.bytes(text.lowercased())
    #expect(try LoadOption(parsing: bytes).serialize() == bytes)
  }

  @Test func truncationBeforeTheOptionalDataIsRejected() throws {
    let bytes = try Self.bytes(Self.byVirtFirmware)
    for count in 0..<bytes.count - 3 {
      let error = thrown(ParseError.self) { try LoadOption(parsing: Array(bytes[..<count])) }
      #expect(error?.rule == .truncated)
    }
    #expect(try LoadOption(parsing: Array(bytes.dropLast(3))).optionalData.isEmpty)
  }

  @Test func aPathListOfTheWrongLengthIsRejected() throws {
    var short = try Self.bytes(Self.byEfibootmgr)
    short[4] -= 1
    #expect(thrown(ParseError.self) { try LoadOption(parsing: short) }?.rule == .truncated)
    var long = try Self.bytes(Self.byVirtFirmware)
    long[4] += 3
    #expect(thrown(ParseError.self) { try LoadOption(parsing: long) }?.rule == .truncated)
  }

  @Test func damagedOptionsAreRejectedOrRoundTrip() throws {
    for text in [Self.byVirtFirmware] + Self.byFirmware.map(\.text) {
      for bytes in Mutations(of: try Self.bytes(text), count: 3000) {
        guard let option = try? LoadOption(parsing: bytes) else { continue }
        #expect(option.serialize() == bytes)
      }
    }
  }

  @Test func anOverlongPathIsRejected() throws {
    for length in [32_760, 100_000] {
      let file = DevicePath.File(partition: Self.partition, path: "/" + String(repeating: "a", count: length))
      #expect(thrown(ParseError.self) { try LoadOption(description: "", file: file) }?.rule == .range)
    }
  }
}

@Suite struct BootOrderTests {
  @Test func numbersAreLittleEndian() throws {
    #expect(BootOrder([1, 0x1234]).serialize() == [1, 0, 0x34, 0x12])
    #expect(try BootOrder(parsing: [1, 0, 0x34, 0x12]).numbers == [1, 0x1234])
    #expect(try BootOrder(parsing: []).numbers.isEmpty)
    #expect(thrown(ParseError.self) { try BootOrder(parsing: [1, 0, 2]) }?.rule == .truncated)
  }

  @Test func namesHaveFourUpperCaseDigits() {
    let vendor = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
    #expect(EFIVariableName.bootOption(0x1a).fileName == "Boot001A-\(vendor)")
    #expect(EFIVariableName.bootOptionNumber(ofFile: "Boot001A-\(vendor)") == 0x1a)
    for name in [
      "Boot001a-\(vendor)", "Boot+01A-\(vendor)", "Boot01A-\(vendor)", "BootNext-\(vendor)", "Boot001A",
      "Boot001A-d719b2cb-3d3a-4596-a3bc-dad00e67656f", "Boot0011A-\(vendor)", "XXXX001A-\(vendor)", "",
    ] {
      #expect(EFIVariableName.bootOptionNumber(ofFile: name) == nil, "\(name)")
    }
  }
}
