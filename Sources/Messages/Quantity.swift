// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Numbers as people read them, with one decimal or none.
package enum Quantity {
  /// Bytes in MB, which are 10^6 bytes: `248`, and `3.2` below 10 MB.
  package static func megabytes(_ bytes: Int) -> String {
    let tenths = rounded(bytes, 100_000)
    return tenths < 100 ? decimal(tenths) : "\(rounded(bytes, 1_000_000))"
  }

  /// Microseconds in seconds: `14.2`.
  package static func seconds(_ microseconds: Int) -> String { decimal(rounded(microseconds, 100_000)) }

  /// Microseconds in seconds with all six decimals: `14.213007`.
  package static func exactSeconds(_ microseconds: Int) -> String {
    let fraction = "\(microseconds % 1_000_000)"
    return "\(microseconds / 1_000_000)." + String(repeating: "0", count: 6 - fraction.utf8.count) + fraction
  }

  /// The share of a part in percent, from 0 to 100.
  package static func percent(_ part: Int, of whole: Int) -> Int {
    whole > 0 ? Int((100 * Double(part) / Double(whole)).rounded()) : 0
  }

  private static func rounded(_ number: Int, _ unit: Int) -> Int {
    let (quotient, remainder) = number.quotientAndRemainder(dividingBy: unit)
    return quotient + (remainder >= unit / 2 ? 1 : 0)
  }

  private static func decimal(_ tenths: Int) -> String { "\(tenths / 10).\(tenths % 10)" }
}
