// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Glibc

/// A moment in UTC, printed as `2026-11-21 05:24:17 UTC`.
package struct CalendarDate: Hashable, Sendable, CustomStringConvertible {
  /// Seconds since 1970.
  package let seconds: Int64

  package init(seconds: Int64) { self.seconds = seconds }

  /// The moment with these fields in UTC: the year with century, month and day from 1.
  ///
  /// A day after the end of its month is one of the next month.
  package init(year: Int32, month: Int32, day: Int32, hour: Int32, minute: Int32, second: Int32) {
    var fields = tm()
    fields.tm_year = year - 1900
    fields.tm_mon = month - 1
    fields.tm_mday = day
    fields.tm_hour = hour
    fields.tm_min = minute
    fields.tm_sec = second
    seconds = Int64(timegm(&fields))
  }

  package var description: String {
    var time = time_t(seconds)
    var fields = tm()
    guard gmtime_r(&time, &fields) != nil else { return "\(seconds) s after 1970" }
    func two(_ value: CInt) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let date = "\(Int(fields.tm_year) + 1900)-\(two(fields.tm_mon + 1))-\(two(fields.tm_mday))"
    return "\(date) \(two(fields.tm_hour)):\(two(fields.tm_min)):\(two(fields.tm_sec)) UTC"
  }
}
