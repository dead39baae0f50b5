// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The order of version texts piece by piece, as `dpkg` compares the parts of a version and `sort -V` whole lines.
package enum VersionSort {
  /// Compares two texts as GNU `sort -V` does.
  ///
  /// Endings such as `.efi` or `.dpkg-tmp` decide only if the texts before them are equal (gnulib, filevercmp). Texts
  /// of equal order, such as `6.8` and `6.08`, are compared byte by byte.
  ///
  /// The result is negative, zero or positive if `left` is less than, equal to or greater than `right`; zero only for
  /// the same text.
  package static func compareLines(_ left: some StringProtocol, _ right: some StringProtocol) -> Int {
    let (one, other) = (Array(left.utf8), Array(right.utf8))
    for (first, second) in [(stem(one), stem(other)), (one[...], other[...])] {
      let difference = comparePieces(first, second)
      if difference != 0 { return difference }
    }
    return one == other ? 0 : one.lexicographicallyPrecedes(other) ? -1 : 1
  }

  /// Compares piece by piece: in turn a part without digits and a number of any length.
  static func comparePieces(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Int {
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

  /// The text without endings: a dot, a letter or `~`, and letters, digits or `~`.
  ///
  /// It is empty only if the text is.
  private static func stem(_ text: [UInt8]) -> ArraySlice<UInt8> {
    var (index, length) = (0, 0)
    while index < text.count {
      index += 1
      length = index
      while index + 1 < text.count, text[index] == UInt8(ascii: "."),
        isLetter(text[index + 1]) || isTilde(text[index + 1])
      {
        index += 2
        while index < text.count, isLetter(text[index]) || isDigit(text[index]) || isTilde(text[index]) { index += 1 }
      }
    }
    return text[..<length]
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
    return isTilde(byte) ? -1 : isLetter(byte) ? Int(byte) : Int(byte) + 256
  }

  static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
  private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }
  private static func isTilde(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "~") }
}
