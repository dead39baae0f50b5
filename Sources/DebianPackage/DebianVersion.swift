// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A version `[epoch:]upstream[-revision]`, ordered as in Debian Policy 5.6.12.
///
/// Any text is accepted, as by `dpkg --compare-versions`; kernel releases are compared as versions too. Different texts
/// can be equal: `1.0` and `1.00`, `1.0` and `0:1.0-0`.
package struct DebianVersion: Sendable {
  private let epoch: [UInt8]
  private let upstream: [UInt8]
  private let revision: [UInt8]

  package init(_ text: some StringProtocol) {
    var rest = Array(text.utf8)[...]
    let digits = rest.prefix { $0 != UInt8(ascii: ":") }
    if digits.count < rest.count, !digits.isEmpty, digits.allSatisfy(Self.isDigit) {
      epoch = Array(digits)
      rest = rest.dropFirst(digits.count + 1)
    } else {
      epoch = []
    }
    if let hyphen = rest.lastIndex(of: UInt8(ascii: "-")) {
      upstream = Array(rest[..<hyphen])
      revision = Array(rest[(hyphen + 1)...])
    } else {
      upstream = Array(rest)
      revision = []
    }
  }

  /// Compares piece by piece: in turn a part without digits and a number of any length.
  private static func compare(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Int {
    var (left, right) = (left, right)
    while !left.isEmpty || !right.isEmpty {
      while left.first.map(isDigit) == false || right.first.map(isDigit) == false {
        let difference = rank(left.first) - rank(right.first)
        if difference != 0 { return difference }
        left = left.dropFirst()
        right = right.dropFirst()
      }
      let (first, second) = (number(&left), number(&right))
      if first.count != second.count { return first.count - second.count }
      for (one, other) in zip(first, second) where one != other { return Int(one) - Int(other) }
    }
    return 0
  }

  /// Removes the digits at the start and returns them without leading zeros.
  private static func number(_ text: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let digits = text.prefix(while: isDigit)
    text = text.dropFirst(digits.count)
    return digits.drop { $0 == UInt8(ascii: "0") }
  }

  /// `~` sorts before the end and before digits, letters after those, everything else last.
  private static func rank(_ byte: UInt8?) -> Int {
    guard let byte, !isDigit(byte) else { return 0 }
    if byte == UInt8(ascii: "~") { return -1 }
    let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    return isLetter ? Int(byte) : Int(byte) + 256
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}

extension DebianVersion: Comparable {
  package static func == (left: DebianVersion, right: DebianVersion) -> Bool { compare(left, right) == 0 }
  package static func < (left: DebianVersion, right: DebianVersion) -> Bool { compare(left, right) < 0 }

  /// Negative, zero or positive if `left` is less than, equal to or greater than `right`.
  private static func compare(_ left: DebianVersion, _ right: DebianVersion) -> Int {
    for (one, other) in [
      (left.epoch, right.epoch), (left.upstream, right.upstream), (left.revision, right.revision),
    ] {
      let difference = compare(one[...], other[...])
      if difference != 0 { return difference }
    }
    return 0
  }
}
