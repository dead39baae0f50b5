// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Glibc

/// A moment in UTC, printed as `2026-11-21 05:24:17 UTC`.
package struct CalendarDate: Hashable, Sendable, CustomStringConvertible {
  /// Seconds since 1970.
  package let seconds: Int64

  package init(seconds: Int64) { self.seconds = seconds }

  package var description: String {
    var time = time_t(seconds)
    var fields = tm()
    guard gmtime_r(&time, &fields) != nil else { return "\(seconds) s after 1970" }
    func two(_ value: CInt) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let date = "\(Int(fields.tm_year) + 1900)-\(two(fields.tm_mon + 1))-\(two(fields.tm_mday))"
    return "\(date) \(two(fields.tm_hour)):\(two(fields.tm_min)):\(two(fields.tm_sec)) UTC"
  }
}
