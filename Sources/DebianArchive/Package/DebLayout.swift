// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Messages

/// The layout of a Debian binary package (deb(5)): an ar archive of `debian-binary`, `control.tar` and `data.tar`.
///
/// Members whose names start with `_` may precede each of the two archives; any members may follow them.
package struct DebLayout: Sendable {
  /// One of the two archives in the package.
  package struct Archive: Hashable, Sendable {
    package let member: ArArchive.Member
    package let compression: MemberCompression
  }

  /// All members in order.
  package let members: [ArArchive.Member]
  /// Line feeds and NUL bytes after the last member, which dpkg ignores.
  package let trailer: Range<Int>
  /// Format version, such as `2.0`.
  package let version: String
  package let control: Archive
  package let data: Archive
  /// All other members, such as debsigs signatures, which become invalid when the package changes.
  package var extraMembers: [ArArchive.Member] {
    members.dropFirst().filter { $0 != control.member && $0 != data.member }
  }

  static let format = "deb"

  /// Reads the headers, the first member and the first bytes of the archives.
  ///
  /// Throws `ParseError` for what dpkg does not accept and for what programs read differently, such as two members with
  /// the same name, and what `source` throws.
  package init(parsing source: any RandomAccessBytes) throws {
    let archive = try ArArchive(parsing: source)
    (members, trailer) = (archive.members, archive.trailer)
    guard let first = members.first, first.hasPlainName, first.name == "debian-binary" else {
      throw ParseError(Self.format, at: ArArchive.mark.count, .magic, "the first member is not debian-binary")
    }
    version = try Self.version(first, source)
    let control = try Self.archive("control.tar", in: members, from: source)
    let data = try Self.archive("data.tar", in: members, from: source)
    guard control.compression != .bzip2, control.compression != .lzma else {
      throw ParseError(
        Self.format, at: control.member.headerRange.lowerBound, .unsupported,
        "dpkg cannot read \(control.member.name)")
    }
    let end = data.member.contentRange.upperBound
    let between = members.dropFirst().filter { $0.contentRange.upperBound < end && $0 != control.member }
    guard control.member.contentRange.upperBound < end, between.allSatisfy({ $0.name.utf8.first == UInt8(ascii: "_") })
    else {
      throw ParseError(
        Self.format, at: first.contentRange.upperBound, "order",
        "the members are not in the order debian-binary, control.tar, data.tar")
    }
    self.control = control
    self.data = data
  }

  private static func version(_ member: ArArchive.Member, _ source: any RandomAccessBytes) throws -> String {
    let range = member.contentRange
    let text = try source.readBytes(at: range.lowerBound, count: min(range.count, 64), format: format)
    let line = text.prefix { $0 != UInt8(ascii: "\n") }
    let parts = line.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    guard line.count < text.count, parts.count == 2, parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(digits.contains) })
    else {
      throw ParseError(format, at: range.lowerBound, .encoding, "debian-binary contains no valid format version")
    }
    let version = String(decoding: line, as: UTF8.self)
    guard parts[0] == [UInt8(ascii: "2")] else {
      throw ParseError(
        format, at: range.lowerBound, .unsupported, "unsupported format version \(version); expected 2.x")
    }
    return version
  }

  private static func archive(
    _ name: String, in members: [ArArchive.Member], from source: any RandomAccessBytes
  ) throws -> Archive {
    let named = members.filter { $0.name.utf8.starts(with: name.utf8) }
    guard let member = named.first else {
      throw ParseError(format, at: source.count, .truncated, "member \(name) is missing")
    }
    let start = member.headerRange.lowerBound
    guard named.count == 1 else {
      throw ParseError(format, at: named[1].headerRange.lowerBound, .overlap, "more than one member \(name)")
    }
    guard member.hasPlainName,
      let compression = MemberCompression(rawValue: String(member.name.dropFirst(name.count)))
    else { throw ParseError(format, at: start, .unsupported, "\(member.name) has an unknown compression") }
    let range = member.contentRange
    let bytes = try source.readBytes(at: range.lowerBound, count: min(range.count, 6), format: format)
    let fits =
      compression == .none
      ? !MemberCompression.allCases.contains { !$0.mark.isEmpty && bytes.starts(with: $0.mark) }
      : bytes.starts(with: compression.mark)
    guard fits, !bytes.isEmpty else {
      throw ParseError(format, at: range.lowerBound, .magic, "the content of \(member.name) does not match its name")
    }
    return Archive(member: member, compression: compression)
  }
}

extension ArArchive.Member {
  /// Whether dpkg can read the name; it does not support long names.
  fileprivate var hasPlainName: Bool { !nameField.starts(with: "#1/".utf8) && nameField.first != UInt8(ascii: "/") }
}

/// The compression of a member, told by its name, as dpkg does.
package enum MemberCompression: String, CaseIterable, Hashable, Sendable {
  case none = ""
  case gzip = ".gz"
  case xz = ".xz"
  case zstd = ".zst"
  case bzip2 = ".bz2"
  case lzma = ".lzma"

  /// The part of a member's name after `control.tar` or `data.tar`.
  package var suffix: String { rawValue }

  /// The first bytes of the member; empty for `none` and for lzma, which has no magic.
  var mark: [UInt8] {
    switch self {
    case .none, .lzma: []
    case .gzip: [0x1f, 0x8b]
    case .xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]
    case .zstd: [0x28, 0xb5, 0x2f, 0xfd]
    case .bzip2: Array("BZh".utf8)
    }
  }
}
