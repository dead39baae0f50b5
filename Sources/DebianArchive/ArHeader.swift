// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Messages

/// The 60 bytes before a member: name 16, time 12, owner 6, group 6, mode 8 (octal), size 10, mark 2; all text, filled with
/// blanks.
struct ArHeader {
  /// How the name is spelled.
  enum Form {
    /// In the field.
    case plain([UInt8])
    /// System V: `/` and where it stands in the table of long names.
    case reference(Int)
    /// BSD: `#1/` and the number of bytes that it takes at the content's start.
    case behindHeader(Int)
    /// System V: `//`.
    case longNames
    /// System V: `/` or `/SYM64/`.
    case symbols
  }

  let form: Form
  let offset: Int
  let nameField: [UInt8]
  let modified: Int
  let owner: Int
  let group: Int
  let mode: Int
  let contentRange: Range<Int>

  init(_ bytes: [UInt8], at offset: Int, of fileSize: Int) throws(ParseError) {
    self.offset = offset
    guard bytes[58...] == [0x60, 0x0a] else {
      throw ParseError(ArArchive.format, at: offset + 58, .magic, "a member's header does not end with its mark")
    }
    func number(_ range: Range<Int>, radix: Int, _ name: Message) throws(ParseError) -> Int {
      guard let value = Self.number(bytes[range], radix: radix) else {
        throw ParseError(ArArchive.format, at: offset + range.lowerBound, .encoding, "\(name) is no number")
      }
      return value
    }
    nameField = Array(bytes[..<16])
    modified = try number(16..<28, radix: 10, "a member's time")
    owner = try number(28..<34, radix: 10, "a member's owner")
    group = try number(34..<40, radix: 10, "a member's group")
    mode = try number(40..<48, radix: 8, "a member's mode")
    let isBlank = bytes[48..<58].allSatisfy { $0 == UInt8(ascii: " ") }
    let size = try number(48..<58, radix: 10, "a member's size")
    let start = offset + bytes.count
    guard !isBlank, size <= fileSize - start else {
      throw ParseError(
        ArArchive.format, at: offset + 48, .range, "a member has \(size) bytes, \(fileSize - start) are left")
    }
    contentRange = start..<start + size
    form = try Self.form(of: nameField, at: offset)
  }

  func member(longNames: [UInt8]?, _ source: any RandomAccessBytes) throws -> ArArchive.Member {
    var name: [UInt8]
    var content = contentRange
    switch form {
    case .plain(let field): name = field
    case .reference(let start):
      guard let longNames, start < longNames.count,
        let end = longNames[start...].firstIndex(of: UInt8(ascii: "\n")), end > start
      else { throw ParseError(ArArchive.format, at: offset, .range, "a name lies outside the table of long names") }
      name = Array(longNames[start..<end])
      if name.last == UInt8(ascii: "/") { name.removeLast() }
    case .behindHeader(let count):
      guard count <= min(contentRange.count, 4096) else {
        throw ParseError(ArArchive.format, at: offset, .range, "a name of \(count) bytes is longer than its member")
      }
      name = try source.readBytes(at: contentRange.lowerBound, count: count, format: ArArchive.format)
      while name.last == 0 { name.removeLast() }
      content = contentRange.lowerBound + count..<contentRange.upperBound
    case .longNames, .symbols: name = []
    }
    guard !name.isEmpty, !name.contains(0) else {
      throw ParseError(ArArchive.format, at: offset, .encoding, "a member's name is empty or has a zero byte in it")
    }
    return ArArchive.Member(
      name: String(decoding: name, as: UTF8.self), nameField: nameField, modified: modified, owner: owner, group: group,
      mode: mode, headerRange: offset..<content.lowerBound, contentRange: content)
  }

  private static func form(of field: [UInt8], at offset: Int) throws(ParseError) -> Form {
    var name = field[...]
    while name.last == UInt8(ascii: " ") { name.removeLast() }
    if name.starts(with: "#1/".utf8), let count = number(name.dropFirst(3), radix: 10) { return .behindHeader(count) }
    if name.first == UInt8(ascii: "/") {
      switch String(decoding: name, as: UTF8.self) {
      case "//": return .longNames
      case "/", "/SYM64/": return .symbols
      default: break
      }
      guard name.count > 1, let start = number(name.dropFirst(), radix: 10) else {
        throw ParseError(ArArchive.format, at: offset, .encoding, "a member's name begins with a slash")
      }
      return .reference(start)
    }
    if name.last == UInt8(ascii: "/") { name.removeLast() }
    return .plain(Array(name))
  }

  /// Digits and then blanks; 0 for blanks alone. Fields are too short for a number that does not fit.
  private static func number(_ field: ArraySlice<UInt8>, radix: Int) -> Int? {
    var value = 0
    var rest = field
    while let byte = rest.first, byte != UInt8(ascii: " ") {
      let digit = Int(byte) - 0x30
      guard (0..<radix).contains(digit) else { return nil }
      value = value * radix + digit
      rest.removeFirst()
    }
    return rest.allSatisfy { $0 == UInt8(ascii: " ") } ? value : nil
  }
}
