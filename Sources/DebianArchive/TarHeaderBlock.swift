// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// The 512 bytes before an entry (POSIX.1-1988 ustar, and GNU's use of them): name 100, mode 8, owner 8, group 8, size 12,
/// time 12, checksum 8, type 1, link 100, magic 8, user 32, group 32, device 8 and 8, prefix 155.
struct TarHeaderBlock: Hashable, Sendable {
  static let size = 512
  static let format = "tar"

  enum Dialect: Hashable, Sendable {
    /// Without magic; nothing counts behind the link's name.
    case v7
    case ustar
    /// `ustar  `: no prefix, numbers may be binary.
    case gnu
  }

  let bytes: [UInt8]
  /// Of the first byte in the text.
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

  /// `bytes` are 512. Throws `ParseError` if the checksum does not hold.
  init(_ bytes: [UInt8], at offset: Int) throws(ParseError) {
    self.bytes = bytes
    self.offset = offset
    // As dpkg tells them: by the first six bytes.
    let magic = bytes[Self.magicField].prefix(6)
    dialect = magic.elementsEqual("ustar ".utf8) ? .gnu : magic.elementsEqual("ustar\u{0}".utf8) ? .ustar : .v7
    guard TarNumber.parse(bytes[Self.checksumField]) == Self.checksum(of: bytes) else {
      throw ParseError(Self.format, at: offset, "checksum", "there is no header with a right checksum")
    }
  }

  /// Of all bytes, those of the field itself counted as blanks.
  static func checksum(of bytes: [UInt8]) -> Int {
    let all = bytes.reduce(0) { $0 + Int($1) }
    return bytes[checksumField].reduce(all) { $0 - Int($1) + 0x20 }
  }

  /// The checksum's field as GNU tar writes it.
  static func checksumField(of bytes: [UInt8]) -> [UInt8] {
    TarNumber.serialize(checksum(of: bytes), width: 7) + [UInt8(ascii: " ")]
  }

  var type: UInt8 { bytes[Self.typeOffset] }

  /// The bytes up to the first NUL.
  func text(_ field: Range<Int>) -> [UInt8] { Array(bytes[field].prefix { $0 != 0 }) }

  /// Throws `ParseError` unless the field is a number of `range`.
  func number(_ field: Range<Int>, in range: ClosedRange<Int>, _ name: Message) throws(ParseError) -> Int {
    guard let value = TarNumber.parse(bytes[field]), range.contains(value) else {
      throw ParseError(Self.format, at: offset + field.lowerBound, .range, "\(name) is no number or too large")
    }
    return value
  }

  /// The name as this block has it, with ustar's prefix.
  var name: [UInt8] {
    let prefix = dialect == .ustar ? text(Self.prefixField) : []
    return prefix.isEmpty ? text(Self.nameField) : prefix + [UInt8(ascii: "/")] + text(Self.nameField)
  }
}
