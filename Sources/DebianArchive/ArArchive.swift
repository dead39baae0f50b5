// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Messages

/// An ar(5) archive: a mark, then members, each with a header of 60 bytes and its content on an even offset.
///
/// System V (GNU) and BSD spellings of names are read. Thin archives, which hold no content, are refused.
package struct ArArchive: Sendable {
  package struct Member: Hashable, Sendable {
    /// As people call it: without fill, the final slash of System V and the indirections of long names.
    package let name: String
    /// The name field of 16 bytes, as it stands.
    package let nameField: [UInt8]
    /// Seconds since 1970; 0 where the field is blank.
    package let modified: Int
    package let owner: Int
    package let group: Int
    /// With the file's type, such as 0o100644.
    package let mode: Int
    /// The 60 bytes, and a BSD name after them.
    package let headerRange: Range<Int>
    /// Without the byte that makes an odd length even.
    package let contentRange: Range<Int>
  }

  /// In the order of the archive; the table of long names and symbol tables are not among them.
  package let members: [Member]

  static let format = "ar"
  static let mark = Array("!<arch>\n".utf8)
  static let headerSize = 60
  /// A package has three members, a static library some thousand.
  private static let memberLimit = 10_000
  private static let longNamesLimit = 1 << 20

  /// Reads the headers only. Throws `ParseError`; whatever `source` throws.
  package init(parsing source: any RandomAccessBytes) throws {
    let mark = try source.readBytes(at: 0, count: min(source.count, Self.mark.count), format: Self.format)
    guard mark == Self.mark else {
      throw ParseError(Self.format, at: 0, .magic, "it does not begin with !<arch>, so it is no archive of ar")
    }
    var members: [Member] = []
    var longNames: [UInt8]?
    var offset = Self.mark.count
    while offset < source.count {
      let header = try ArHeader(
        source.readBytes(at: offset, count: Self.headerSize, format: Self.format), at: offset, of: source.count)
      switch header.form {
      case .longNames:
        guard longNames == nil, header.contentRange.count <= Self.longNamesLimit else {
          throw ParseError(Self.format, at: offset, .range, "the table of long names is too large or there twice")
        }
        longNames = try source.readBytes(
          at: header.contentRange.lowerBound, count: header.contentRange.count, format: Self.format)
      case .symbols: break
      case .plain, .reference, .behindHeader:
        members.append(try header.member(longNames: longNames, source))
      }
      guard members.count <= Self.memberLimit else {
        throw ParseError(Self.format, at: offset, .range, "it has more than \(Self.memberLimit) members")
      }
      offset = header.contentRange.upperBound
      if !header.contentRange.count.isMultiple(of: 2) {
        guard offset < source.count else {
          throw ParseError(Self.format, at: offset, .truncated, "the byte after a member of odd length is not there")
        }
        offset += 1
      }
    }
    self.members = members
  }
}
