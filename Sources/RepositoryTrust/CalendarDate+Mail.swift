// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography

extension CalendarDate {
  private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

  /// A date as mail has it (RFC 5322 section 3.3), which repositories give in UTC: `Fri, 27 Nov 2026 00:12:41 UTC`. Nil
  /// if it is none, or of another zone. The day of the week is not looked at.
  init?(mail text: String) {
    let words = text.split(separator: " ")
    guard words.count == 6, words[0].utf8.last == UInt8(ascii: ","), ["UTC", "GMT", "Z", "+0000"].contains(words[5]),
      let day = Self.number(words[1], 1...31), let month = Self.months.firstIndex(of: String(words[2])),
      let year = Self.number(words[3], 1970...9999)
    else { return nil }
    let time = words[4].split(separator: ":", omittingEmptySubsequences: false)
    guard time.count == 3, let hour = Self.number(time[0], 0...23), let minute = Self.number(time[1], 0...59),
      let second = Self.number(time[2], 0...60)
    else { return nil }
    // Years that begin in March have the leap day at their end.
    let (shifted, sinceMarch) = month < 2 ? (year - 1, month + 10) : (year, month - 2)
    let days =
      shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + (sinceMarch * 153 + 2) / 5 + day - 1 - 719_468
    self.init(seconds: Int64(days * 86400 + hour * 3600 + minute * 60 + second))
  }

  private static func number(_ text: some StringProtocol, _ range: ClosedRange<Int>) -> Int? {
    guard text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }), let number = Int(text),
      range.contains(number)
    else { return nil }
    return number
  }
}
