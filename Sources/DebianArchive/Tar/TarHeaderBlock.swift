// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// The 512-byte header of an entry (POSIX.1-1988 ustar, and as GNU uses it): name 100, mode 8, owner 8, group 8, size
/// 12, time 12, checksum 8, type 1, link 100, magic 8, user 32, group 32, device 8 and 8, prefix 155.
struct TarHeaderBlock: Hashable, Sendable {
  static let size = 512
  static let format = "tar"

  enum Dialect: Hashable, Sendable {
    /// No magic; everything after the link name is ignored.
    case v7
    case ustar
    /// Magic `ustar  `; no prefix, numbers may be binary.
    case gnu
  }

  let bytes: [UInt8]
  /// Offset of the first byte in the archive.
  let offset: Int
  let dialect: Dialect

  static let nameField = 0..<100
  static let modeField = 100..<108
  static let ownerField = 108..<116
  static let groupField = 116..<124
  static let sizeField = 124..<136
  static let timeField = 136..<148
  static let checksumField = 148..<156
  static let typeOffset = 156
  static let linkField = 157..<257
  static let magicField = 257..<265
  static let userField = 265..<297
  static let groupNameField = 297..<329
  static let majorField = 329..<337
  static let minorField = 337..<345
  static let prefixField = 345..<500

  /// Parses a block of 512 bytes.
  ///
  /// Throws `ParseError` if the checksum is wrong.
  init(_ bytes: [UInt8], at offset: Int) throws(ParseError) {
    self.bytes = bytes
    self.offset = offset
    // dpkg also goes by the first six bytes.
    let magic = bytes[Self.magicField].prefix(6)
    dialect = magic.elementsEqual("ustar ".utf8) ? .gnu : magic.elementsEqual("ustar\u{0}".utf8) ? .ustar : .v7
    guard TarNumber.parse(bytes[Self.checksumField]) == Self.checksum(of: bytes) else {
      throw ParseError(Self.format, at: offset, "checksum", "not a tar header: the checksum is wrong")
    }
  }

  /// The sum of all bytes, counting the checksum field as spaces.
  static func checksum(of bytes: [UInt8]) -> Int {
    let all = bytes.reduce(0) { $0 + Int($1) }
    return bytes[checksumField].reduce(all) { $0 - Int($1) + 0x20 }
  }

  /// The checksum field as GNU tar writes it.
  static func checksumField(of bytes: [UInt8]) -> [UInt8] {
    TarNumber.serialize(checksum(of: bytes), width: 7) + [UInt8(ascii: " ")]
  }

  var type: UInt8 { bytes[Self.typeOffset] }

  /// The bytes up to the first NUL.
  func text(_ field: Range<Int>) -> [UInt8] { Array(bytes[field].prefix { $0 != 0 }) }

  /// The number in `field`; throws `ParseError` if it is not a number within `range`.
  func number(_ field: Range<Int>, in range: ClosedRange<Int>, name: Message) throws(ParseError) -> Int {
    guard let value = TarNumber.parse(bytes[field]), range.contains(value) else {
      throw ParseError(Self.format, at: offset + field.lowerBound, .range, "\(name) is not a number or is out of range")
    }
    return value
  }

  /// The name in this block, with ustar's prefix.
  var name: [UInt8] {
    let prefix = dialect == .ustar ? text(Self.prefixField) : []
    return prefix.isEmpty ? text(Self.nameField) : prefix + [UInt8(ascii: "/")] + text(Self.nameField)
  }
}

/// Numbers in tar headers: octal digits, or for larger values in GNU tar, two's complement after a first byte of 0x80
/// or 0xff.
enum TarNumber {
  /// The value of the field; nil if it is malformed or too large.
  ///
  /// An empty field is 0.
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
    // The first byte has the sign.
    return (value < 0) == (first == 0xff) ? value : nil
  }

  /// A field of `width` bytes as GNU tar writes it: octal with a NUL, or binary if octal does not fit.
  static func serialize(_ value: Int, width: Int) -> [UInt8] {
    let digits = width - 1
    if value >= 0, digits * 3 >= Int.bitWidth || value >> (digits * 3) == 0 {
      return (0..<digits).reversed().map { UInt8(ascii: "0") + UInt8(value >> ($0 * 3) & 7) } + [0]
    }
    let bytes = (0..<width).reversed().map { UInt8(truncatingIfNeeded: value >> min($0 * 8, Int.bitWidth - 1)) }
    return [value < 0 ? 0xff : 0x80] + bytes.dropFirst()
  }
}
