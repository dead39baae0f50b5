// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// An EFI_TIME of an authenticated variable (UEFI 2.10 sections 8.2.2 and 8.3): whole seconds in UTC; the nanoseconds,
/// time zone and daylight fields must be 0.
package struct EFITime: Hashable, Sendable {
  /// 1900 to 9999.
  package let year: UInt16
  package let month: UInt8
  package let day: UInt8
  package let hour: UInt8
  package let minute: UInt8
  package let second: UInt8

  static let format = "EFI_TIME"

  /// The seconds since 1970 that it can represent: the years 1900 to 9999.
  package static let unixRange: Range<Int64> = -2_208_988_800..<253_402_300_800

  /// Parses seconds since 1970 in decimal digits, as `date +%s` prints them.
  ///
  /// Nil for anything else, and for a time after the year 9999.
  package static func unixSeconds(parsing text: some StringProtocol) -> Int64? {
    let isDigit: (UInt8) -> Bool = { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    guard text.utf8.allSatisfy(isDigit), let seconds = Int64(text), unixRange.contains(seconds) else { return nil }
    return seconds
  }

  /// The time `seconds` after the start of 1970 (UTC); nil outside the years 1900 to 9999.
  package init?(unixSeconds seconds: Int64) {
    let secondsPerDay: Int64 = 86400
    guard Self.unixRange.contains(seconds) else { return nil }
    let days = (seconds >= 0 ? seconds : seconds - secondsPerDay + 1) / secondsPerDay
    let rest = seconds - days * secondsPerDay
    // Days are counted from 1 March of year 0, so that the leap day is the last of its year.
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    year = UInt16(truncatingIfNeeded: yearOfEra + era * 400 + (month <= 2 ? 1 : 0))
    self.month = UInt8(truncatingIfNeeded: month)
    day = UInt8(truncatingIfNeeded: dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    hour = UInt8(truncatingIfNeeded: rest / 3600)
    minute = UInt8(truncatingIfNeeded: rest / 60 % 60)
    second = UInt8(truncatingIfNeeded: rest % 60)
  }

  /// Reads 16 bytes.
  ///
  /// Throws `range` for a field outside its range and for a nonzero field that must be 0.
  package init(parsing reader: inout ByteReader) throws(ParseError) {
    let start = reader.offset
    year = try reader.read()
    month = try reader.read()
    day = try reader.read()
    hour = try reader.read()
    minute = try reader.read()
    second = try reader.read()
    guard try reader.read(count: 9).allSatisfy({ $0 == 0 }) else {
      throw ParseError(Self.format, at: start + 7, .range, "a field that must be 0 is not 0")
    }
    guard 1900...9999 ~= year, 1...12 ~= month, 1...Self.days(in: month, of: year) ~= day, hour < 24, minute < 60,
      second < 60
    else {
      throw ParseError(Self.format, at: start, .range, "\(self) is not a valid time")
    }
  }

  /// The time of a revocation in dbx: EDK2 compares its fields without checking their ranges.
  ///
  /// Nil if all fields are 0, which means always, or if the entry is too short for a time.
  package init?(revocation bytes: some Sequence<UInt8>) {
    let fields = Array(bytes.prefix(7))
    guard fields.count == 7, fields.contains(where: { $0 != 0 }) else { return nil }
    year = UInt16(fields[0]) | UInt16(fields[1]) << 8
    month = fields[2]
    day = fields[3]
    hour = fields[4]
    minute = fields[5]
    second = fields[6]
  }

  /// The number of days in a month, in the Gregorian calendar.
  private static func days(in month: UInt8, of year: UInt16) -> UInt8 {
    switch month {
    case 4, 6, 9, 11: 30
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    default: 31
    }
  }

  package func serialize(into writer: inout ByteWriter) {
    writer.write(year)
    for field in [month, day, hour, minute, second] { writer.write(field) }
    writer.write(repeatElement(0, count: 9))
  }
}

extension EFITime: Comparable {
  package static func < (left: EFITime, right: EFITime) -> Bool { left.fields.lexicographicallyPrecedes(right.fields) }
  private var fields: [UInt16] { [year] + [month, day, hour, minute, second].map { UInt16($0) } }
}

extension EFITime: CustomStringConvertible {
  /// `2026-11-21 05:24:17 UTC`.
  package var description: String {
    let text = fields.map { $0 < 10 ? "0\($0)" : "\($0)" }
    return text[..<3].joined(separator: "-") + " " + text[3...].joined(separator: ":") + " UTC"
  }
}
