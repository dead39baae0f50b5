// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import EFIData
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct BootTimesTests {
  private let directory: TemporaryDirectory
  private static let uki = "\\EFI\\Linux\\pve-6.8.12-4-pve.efi"

  init() throws {
    directory = try TemporaryDirectory()
    try directory.write("proc/stat", "btime 1763712000\n")
    try put(.stubInfo, EFIText.serialize("systemd-stub 257.9"))
    try put(.stubImageIdentifier, EFIText.serialize(Self.uki))
    try put(.bootCurrent, [3, 0])
  }

  private func put(_ variable: EFIVariableName, _ data: [UInt8]) throws {
    try directory.write("sys/firmware/efi/efivars/\(variable.fileName)", [6, 0, 0, 0] + data)
  }
  private func put(_ variable: EFIVariableName, _ text: String) throws { try put(variable, EFIText.serialize(text)) }

  /// The entry that the firmware chose.
  private func boot(_ path: String) throws {
    let partition = PartitionLocation(
      number: 1, startBlock: 2048, blockCount: 4096, guid: .init(1, 2, 3, 4))
    let option = try LoadOption(description: "a", file: DevicePath.File(partition: partition, path: path))
    try put(.bootOption(3), option.serialize())
  }

  /// The Firmware Performance Data Table as Linux shows it.
  private func table(load: String, launch: String, exit: String = "0") throws {
    let values = [("bootloader_load", load), ("bootloader_launch", launch), ("exitbootservice_end", exit)]
    for (name, value) in values { try directory.write("sys/firmware/acpi/fpdt/boot/\(name)_ns", value + "\n") }
  }

  private func systemdBoot(_ start: String, _ exec: String) throws {
    try put(.loaderInfo, "systemd-boot 257.9-1~deb13u1")
    try put(.loaderTimeInit, start)
    try put(.loaderTimeExec, exec)
  }

  private func read() throws -> (times: BootTimes?, ignored: [Message]) { try BootTimes.read(from: directory.host()) }

  /// Expects these times, and that nothing is ignored.
  private func expect(_ times: BootTimes?) throws {
    let found = try read()
    #expect(found.times == times && found.ignored.isEmpty)
  }

  @Test func variableNamesAreThoseOfSystemdBoot() throws {
    let text = String(decoding: try Fixture.systemdBoot257.bytes().filter { $0 != 0 }, as: UTF8.self)
    for variable in [EFIVariableName.loaderTimeInit, .loaderTimeMenu, .loaderTimeExec] {
      #expect(text.contains(variable.name), "\(variable.name)")
    }
    // A stub measures nothing, so a UKI started by the firmware has no times of its own.
    for stub in Fixture.stubs {
      #expect(!String(decoding: try stub.bytes().filter { $0 != 0 }, as: UTF8.self).contains("LoaderTime"))
    }
  }

  @Test func withoutASourceNothingIsMeasured() throws {
    try expect(nil)
    try table(load: "0", launch: "0")
    try expect(nil)
  }

  /// The firmware's time of a UKI that it starts itself contains the time for loading it.
  @Test func aUKIStartedByTheFirmwareIsMeasuredByTheFirmware() throws {
    try boot("/EFI/Linux/PVE-6.8.12-4-pve.efi")
    try table(load: "1400000000", launch: "14213007999", exit: "15000000000")
    let expected = BootTimes(program: .uki, firmware: 14_213_007, loading: 12_813_007, kernel: 15_000_000)
    try expect(expected)
  }

  /// The same table is about shim then, so nothing is said about loading the UKI.
  @Test func anotherFirstProgramSaysNothingAboutTheUKI() throws {
    try boot("/EFI/debian/shimx64.efi")
    try table(load: "1400000000", launch: "5000000000", exit: "19000000000")
    try expect(BootTimes(program: .other, firmware: 5_000_000, kernel: 19_000_000))
  }

  @Test func systemdBootMeasuresWhatItLoads() throws {
    try boot("/EFI/systemd/systemd-bootx64.efi")
    try systemdBoot("5100000", "17900000")
    let expected = BootTimes(program: .systemdBoot, firmware: 5_100_000, loading: 12_800_000)
    try expect(expected)
    try put(.loaderTimeMenu, "5200000")
    #expect(try read().times?.hasMenu == true)
  }

  /// A virtual machine's counter may go on when the machine restarts; the difference is right.
  @Test func aCounterThatWasNotResetStillMeasuresDifferences() throws {
    try systemdBoot("864000000000", "864012800000")
    let (times, ignored) = try read()
    #expect(times == BootTimes(program: .systemdBoot, loading: 12_800_000))
    #expect(ignored.map(\.description) == ["LoaderTimeInitUSec: more than an hour since the reset"])
  }

  @Test(arguments: [("20", "10"), ("10", "3600000011"), ("10", "999999999999999999")])
  func anImpossibleSpanIsIgnored(start: String, exec: String) throws {
    try systemdBoot(start, exec)
    let (times, ignored) = try read()
    #expect(times == BootTimes(program: .systemdBoot, firmware: Int(start)) && ignored.count == 1)
  }

  @Test(arguments: ["", "-5", "+5", "5 ", "0x10", "5.0", "1234567890123456789", "９", "five"])
  func textsThatAreNotNumbersAreIgnored(_ text: String) throws {
    #expect(throws: ParseError.self) { try BootTimes.microseconds(parsing: EFIText.serialize(text)) }
    try systemdBoot(text, "17900000")
    #expect(try read().times == nil && read().ignored.count == 1)
    try boot("/EFI/Linux/pve-6.8.12-4-pve.efi")
    try put(.loaderInfo, "")
    try table(load: text, launch: "14213007999")
    #expect(try read().times == BootTimes(program: .uki, firmware: 14_213_007))
  }

  @Test func bytesThatAreNotUTF16AreRejected() throws {
    #expect(thrown(ParseError.self) { try BootTimes.microseconds(parsing: [0x31]) }?.rule == .encoding)
    #expect(throws: ParseError.self) { try BootTimes.microseconds(parsing: [0x00, 0xd8]) }
    #expect(throws: ParseError.self) { try BootTimes.microseconds(parsing: []) }
    #expect(try BootTimes.microseconds(parsing: EFIText.serialize("0")) == nil)
    #expect(try BootTimes.microseconds(parsing: EFIText.serialize("17900000")) == 17_900_000)
    try put(.loaderInfo, "systemd-boot 257")
    try put(.loaderTimeInit, [0x31])
    try directory.write("sys/firmware/efi/efivars/\(EFIVariableName.loaderTimeExec.fileName)", [1])
    let (times, ignored) = try read()
    #expect(times == nil && ignored.count == 2)
  }

  @Test func aKernelBeforeItsLoaderIsIgnored() throws {
    try boot("/EFI/Linux/pve-6.8.12-4-pve.efi")
    try table(load: "14000000000", launch: "1000000000", exit: "5")
    let (times, ignored) = try read()
    #expect(times == BootTimes(program: .uki, firmware: 1_000_000) && ignored.count == 1)
    try table(load: "0", launch: "9000000000", exit: "5000000000")
    #expect(try read().times == BootTimes(program: .uki, firmware: 9_000_000) && read().ignored.count == 1)
  }
}
