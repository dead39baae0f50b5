// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import EFIData
internal import Messages

/// The number of a Boot#### variable as people write it.
package struct BootEntryNumber: Hashable, Sendable {
  package let value: UInt16

  package init(_ value: UInt16) { self.value = value }

  /// From `Boot0003`, `0003` or `3`, hexadecimal; nil for anything else.
  package init?(_ text: String) {
    let digits = text.hasPrefix("Boot") ? text.dropFirst(4) : text[...]
    guard 1...4 ~= digits.utf8.count, digits.allSatisfy({ $0.isASCII && $0.isHexDigit }),
      let value = UInt16(digits, radix: 16)
    else { return nil }
    self.value = value
  }

  /// `Boot0003`.
  package var name: String { EFIVariableName.bootOption(value).name }

  /// What to say of a number that no entry has.
  static func unknown(_ number: BootEntryNumber) -> Failure {
    Failure("there is no boot entry \(number.name)", hint: "see 'pve-sb-uki boot list'")
  }
}
