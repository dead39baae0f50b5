// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Numbers of tar headers: octal digits, or, where GNU tar has more to say, two's complement behind a first byte of 0x80 or
/// 0xff.
enum TarNumber {
  /// What the field says; nil if it is malformed or does not fit. An empty field is 0.
  static func parse(_ field: ArraySlice<UInt8>) -> Int? {
    guard let first = field.first else { return nil }
    guard first & 0x80 == 0 else { return parseBinary(first, field.dropFirst()) }
    var rest = field.drop { $0 == UInt8(ascii: " ") }
    var value = 0
    while let byte = rest.first, byte != 0, byte != UInt8(ascii: " ") {
      guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(byte), value < 1 << 59 else { return nil }
      value = value << 3 | Int(byte - UInt8(ascii: "0"))
      rest.removeFirst()
    }
    return rest.allSatisfy { $0 == 0 || $0 == UInt8(ascii: " ") } ? value : nil
  }

  private static func parseBinary(_ first: UInt8, _ digits: ArraySlice<UInt8>) -> Int? {
    guard first == 0x80 || first == 0xff else { return nil }
    let fill: UInt8 = first == 0x80 ? 0 : 0xff
    let significant = digits.suffix(8)
    guard digits.dropLast(8).allSatisfy({ $0 == fill }) else { return nil }
    let value = significant.reduce(first == 0x80 ? 0 : -1) { $0 << 8 | Int($1) }
    // The sign is that of the first byte.
    return (value < 0) == (first == 0xff) ? value : nil
  }

  /// A field of `width` bytes as GNU tar writes it: octal with a NUL, or binary where that has no room.
  static func serialize(_ value: Int, width: Int) -> [UInt8] {
    let digits = width - 1
    if value >= 0, digits * 3 >= Int.bitWidth || value >> (digits * 3) == 0 {
      return (0..<digits).reversed().map { UInt8(ascii: "0") + UInt8(value >> ($0 * 3) & 7) } + [0]
    }
    let bytes = (0..<width).reversed().map { UInt8(truncatingIfNeeded: value >> min($0 * 8, Int.bitWidth - 1)) }
    return [value < 0 ? 0xff : 0x80] + bytes.dropFirst()
  }
}
