// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import EFIData
import Messages
import TestSupport
import Testing

@Suite struct EFITimeTests {
  static let moments: [Int64] = [
    0, -1, 951_782_399, 951_782_400, 951_868_800, 1_709_251_198, 1_795_000_000, 4_107_542_399, 253_402_300_799,
    -2_208_988_800, -2_203_891_201, 978_307_199, 68_169_600,
  ]

  @Test func timesMatchDate() throws {
    let lines = Self.moments.map { "@\($0)\n" }.joined()
    let theirs = try ExternalTool("date").run(
      ["-u", "-f", "-", "+%Y-%m-%d %H:%M:%S UTC"], input: Array(lines.utf8))
    let ours = Self.moments.map { EFITime(unixSeconds: $0).map { "\($0)\n" } ?? "none\n" }.joined()
    #expect(ours == String(decoding: theirs, as: UTF8.self))
  }

  @Test func yearsOutOfRangeAreRejected() {
    for seconds in [Int64.min, -2_208_988_801, 253_402_300_800, Int64.max] {
      #expect(EFITime(unixSeconds: seconds) == nil)
    }
  }

  @Test func timesAreOrdered() {
    let times = Self.moments.sorted().compactMap { EFITime(unixSeconds: $0) }
    #expect(times == times.sorted())
    #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 })
  }

  /// 2024-02-29 23:59:58 as written by sign-efi-sig-list of efitools 1.9.2.
  static let golden: [UInt8] = [0xe8, 0x07, 2, 0x1d, 0x17, 0x3b, 0x3a, 0, 0, 0, 0, 0, 0, 0, 0, 0]

  @Test func bytesMatchEfitools() throws {
    let time = try #require(EFITime(unixSeconds: 1_709_251_198))
    var writer = ByteWriter()
    time.serialize(into: &writer)
    #expect(writer.bytes == Self.golden)
    var reader = ByteReader(Self.golden, format: "test")
    #expect(try EFITime(parsing: &reader) == time)
  }

  /// The Gregorian calendar: date(1) refuses the others.
  @Test(arguments: [
    (2024, 2, 29, true), (2023, 2, 29, false), (2024, 2, 31, false), (2000, 2, 29, true), (1900, 2, 29, false),
    (2024, 4, 31, false), (2024, 6, 30, true), (2024, 12, 31, true), (2024, 11, 31, false),
  ])
  func daysThatTheMonthDoesNotHaveAreRefused(year: UInt16, month: UInt8, day: UInt8, isValid: Bool) throws {
    let theirs = try ExternalTool("date").result(["-u", "-d", "\(year)-\(month)-\(day)"])
    #expect((theirs.status == 0) == isValid)
    let bytes = [UInt8(truncatingIfNeeded: year), UInt8(year >> 8), month, day] + Self.golden[4...]
    var reader = ByteReader(Array(bytes), format: "test")
    let time = try? EFITime(parsing: &reader)
    #expect((time != nil) == isValid)
  }

  @Test(arguments: [
    (0, 0), (2, 0), (2, 13), (3, 0), (3, 32), (4, 24), (5, 60), (6, 60), (7, 1), (8, 1), (11, 1), (12, 1), (14, 1),
    (15, 1),
  ])
  func fieldsOutOfRangeAreRejected(offset: Int, value: UInt8) {
    var bytes = Self.golden
    bytes[offset] = value
    if offset == 0 { bytes[1] = 0 }
    #expect(throws: ParseError.self) {
      var reader = ByteReader(bytes, format: "test")
      _ = try EFITime(parsing: &reader)
    }
  }
}
