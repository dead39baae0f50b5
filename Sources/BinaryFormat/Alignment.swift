// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

extension FixedWidthInteger {
  /// The smallest multiple of `alignment` that is at least this value; nil on overflow or if `alignment` is not
  /// positive.
  package func roundedUp(toMultipleOf alignment: Self) -> Self? {
    guard alignment > 0 else { return nil }
    let rest = self % alignment
    guard rest != 0 else { return self }
    let (sum, overflow) = addingReportingOverflow(alignment - rest)
    return overflow ? nil : sum
  }
}
