// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

extension FixedWidthInteger {
  /// The least multiple of `alignment` not below this value; nil on overflow or an alignment that is not positive.
  package func roundedUp(toMultipleOf alignment: Self) -> Self? {
    guard alignment > 0 else { return nil }
    let rest = self % alignment
    guard rest != 0 else { return self }
    let (sum, overflow) = addingReportingOverflow(alignment - rest)
    return overflow ? nil : sum
  }
}
