// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Messages

/// An ar(5) archive: a magic string, then members at even offsets, each a 60-byte header and its content.
///
/// Reads System V (GNU) and BSD names. Rejects thin archives, which have no content. Like dpkg, does not parse a member's
/// time, owner, group and mode, and does not need the padding byte of the last member.
package struct ArArchive: Sendable {
  package struct Member: Hashable, Sendable {
    /// The name without padding and without System V's trailing slash; long names are resolved.
    package let name: String
    /// The 16-byte name field, as stored.
    package let nameField: [UInt8]
    /// The fields time (12 bytes), owner (6), group (6) and mode (8), as stored.
    package let attributes: [UInt8]
    /// The 60 bytes, and the BSD name after them, if any.
    package let headerRange: Range<Int>
    /// Without the padding byte after an odd length.
    package let contentRange: Range<Int>
  }

  /// In archive order, without the table of long names and symbol tables.
  package let members: [Member]
  /// Line feeds and NUL bytes after the last member and its padding, too few for another member.
  package let trailer: Range<Int>

  static let format = "ar"
  static let mark = Array("!<arch>\n".utf8)
  static let headerSize = 60
  /// A package has three members, a static library about a thousand.
  private static let memberLimit = 10_000
  private static let longNamesLimit = 1 << 20

  /// Reads the headers only.
  ///
  /// Throws `ParseError`, and what `source` throws.
  package init(parsing source: any RandomAccessBytes) throws {
    let mark = try source.readBytes(at: 0, count: min(source.count, Self.mark.count), format: Self.format)
    guard mark == Self.mark else {
      throw ParseError(Self.format, at: 0, .magic, "not an ar archive: does not start with !<arch>")
    }
    var members: [Member] = []
    var longNames: [UInt8]?
    var offset = Self.mark.count
    while try !Self.isTrailer(offset, source) {
      let header = try ArHeader(
        source.readBytes(at: offset, count: Self.headerSize, format: Self.format), at: offset, of: source.count)
      switch header.form {
      case .longNames:
        guard longNames == nil, header.contentRange.count <= Self.longNamesLimit else {
          throw ParseError(Self.format, at: offset, .range, "the table of long names is too large or duplicated")
        }
        longNames = try source.readBytes(
          at: header.contentRange.lowerBound, count: header.contentRange.count, format: Self.format)
      case .symbols: break
      case .plain, .reference, .behindHeader:
        members.append(try header.member(longNames: longNames, source))
      }
      guard members.count <= Self.memberLimit else {
        throw ParseError(Self.format, at: offset, .range, "more than \(Self.memberLimit) members")
      }
      offset = header.contentRange.upperBound
      if !header.contentRange.count.isMultiple(of: 2), offset < source.count { offset += 1 }
    }
    self.members = members
    trailer = offset..<source.count
  }

  /// Whether the bytes from `offset` on can only be a trailer; true at the end of the archive.
  private static func isTrailer(_ offset: Int, _ source: any RandomAccessBytes) throws -> Bool {
    let count = source.count - offset
    guard count < headerSize else { return false }
    return try source.readBytes(at: offset, count: count, format: format).allSatisfy { $0 == 0x0a || $0 == 0 }
  }
}

/// The 60-byte header of a member: name 16, time 12, owner 6, group 6, mode 8 (octal), size 10, end marker 2; all text,
/// padded with spaces.
struct ArHeader {
  /// How the name is stored.
  enum Form {
    /// In the name field.
    case plain([UInt8])
    /// System V: `/` and the offset in the table of long names.
    case reference(Int)
    /// BSD: `#1/` and the number of bytes that the name takes at the start of the content.
    case behindHeader(Int)
    /// System V: `//`.
    case longNames
    /// System V: `/` or `/SYM64/`.
    case symbols
  }

  let form: Form
  let offset: Int
  let nameField: [UInt8]
  let attributes: [UInt8]
  let contentRange: Range<Int>

  init(_ bytes: [UInt8], at offset: Int, of fileSize: Int) throws(ParseError) {
    self.offset = offset
    guard bytes[58...] == [0x60, 0x0a] else {
      throw ParseError(ArArchive.format, at: offset + 58, .magic, "a member's header has an invalid end marker")
    }
    nameField = Array(bytes[..<16])
    attributes = Array(bytes[16..<48])
    guard let size = Self.size(bytes[48..<58]) else {
      throw ParseError(ArArchive.format, at: offset + 48, .encoding, "a member's size is not a number")
    }
    let start = offset + bytes.count
    guard size <= fileSize - start else {
      throw ParseError(
        ArArchive.format, at: offset + 48, .truncated, "a member has \(size) bytes; only \(fileSize - start) are left")
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
      else { throw ParseError(ArArchive.format, at: offset, .range, "a name is outside the table of long names") }
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
      throw ParseError(ArArchive.format, at: offset, .encoding, "a member's name is empty or contains a NUL byte")
    }
    return ArArchive.Member(
      name: String(decoding: name, as: UTF8.self), nameField: nameField, attributes: attributes,
      headerRange: offset..<content.lowerBound, contentRange: content)
  }

  private static func form(of field: [UInt8], at offset: Int) throws(ParseError) -> Form {
    var name = field[...]
    while name.last == UInt8(ascii: " ") { name.removeLast() }
    if name.starts(with: "#1/".utf8), let count = number(name.dropFirst(3)) { return .behindHeader(count) }
    if name.first == UInt8(ascii: "/") {
      switch String(decoding: name, as: UTF8.self) {
      case "//": return .longNames
      case "/", "/SYM64/": return .symbols
      default: break
      }
      guard name.count > 1, let start = number(name.dropFirst()) else {
        throw ParseError(ArArchive.format, at: offset, .encoding, "a member's name starts with a slash")
      }
      return .reference(start)
    }
    if name.last == UInt8(ascii: "/") { name.removeLast() }
    return .plain(Array(name))
  }

  /// The number in a size field as dpkg reads it: spaces, digits, and anything after a further space.
  ///
  /// Nil for a blank field, which dpkg takes for 0.
  private static func size(_ field: ArraySlice<UInt8>) -> Int? {
    number(field.drop { $0 == UInt8(ascii: " ") }.prefix { $0 != UInt8(ascii: " ") })
  }

  /// Parses decimal digits; nil if there are none, or other bytes.
  ///
  /// Fields are too short to overflow.
  private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
    guard !digits.isEmpty, digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      return nil
    }
    return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
  }
}

extension ArArchive {
  /// The 60 bytes that dpkg-deb writes before a member of `size` bytes: owned by root, mode 100644.
  ///
  /// Nil for a name of more than 15 bytes or a number that does not fit.
  package static func header(name: String, size: Int, modified: Int) -> [UInt8]? {
    field("\(name)", 16).flatMap { name in
      guard name.last == UInt8(ascii: " "), let time = field("\(modified)", 12), let size = field("\(size)", 10) else {
        return nil
      }
      let owner = Array("0     0     100644  ".utf8)
      return name + time + owner + size + [0x60, 0x0a]
    }
  }

  private static func field(_ text: String, _ width: Int) -> [UInt8]? {
    let bytes = Array(text.utf8)
    guard bytes.count <= width else { return nil }
    return bytes + repeatElement(UInt8(ascii: " "), count: width - bytes.count)
  }
}
