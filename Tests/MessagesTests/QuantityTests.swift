// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Messages
import Testing

@Suite struct QuantityTests {
  @Test func smallSizesHaveADecimal() {
    let bytes = [0, 49_999, 50_000, 3_249_999, 9_949_999, 9_950_000, 248_499_999, 248_500_000, .max]
    let texts = ["0.0", "0.0", "0.1", "3.2", "9.9", "10", "248", "249", "9223372036855"]
    #expect(bytes.map(Quantity.megabytes) == texts)
  }

  @Test func secondsAreRounded() {
    #expect(
      [0, 49_999, 50_000, 14_213_007, 3_599_999_999].map(Quantity.seconds) == ["0.0", "0.0", "0.1", "14.2", "3600.0"])
    #expect([0, 7, 14_213_007].map(Quantity.exactSeconds) == ["0.000000", "0.000007", "14.213007"])
  }

  @Test func sharesArePercent() {
    #expect(Quantity.percent(215, of: 248) == 87 && Quantity.percent(1, of: 0) == 0)
    #expect(Quantity.percent(.max, of: .max) == 100 && Quantity.percent(0, of: 5) == 0)
  }
}
