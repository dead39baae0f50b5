// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import DebianArchive
import Messages
import TestSupport
import Testing

@Suite struct ArArchiveTests {
  /// Packs files with these names and contents with binutils.
  private static func pack(_ files: [(String, String)], _ flags: String = "rcD") throws -> [UInt8] {
    let directory = try TemporaryDirectory()
    for (name, content) in files { try directory.write(name, content) }
    try ExternalTool("ar").run([flags, directory.path(of: "a.ar")] + files.map { directory.path(of: $0.0) })
    return try #require(try directory.read("a.ar"))
  }

  private static func content(_ archive: [UInt8]) throws -> [(String, String)] {
    try ArArchive(parsing: archive).members.map {
      ($0.name, String(decoding: archive[$0.contentRange], as: UTF8.self))
    }
  }

  private func error(_ archive: [UInt8]) -> ParseError? {
    thrown(ParseError.self) { try ArArchive(parsing: archive) }
  }

  private static let files = [
    ("short", "odd"), ("a-name-of-more-than-fifteen-bytes", "even"), ("another-name-of-more-than-fifteen", ""),
    ("last", "x"),
  ]

  @Test func archivesByBinutilsAreRead() throws {
    let archive = try Self.pack(Self.files)
    #expect(try Self.content(archive).elementsEqual(Self.files, by: ==))
    let member = try #require(try ArArchive(parsing: archive).members.first)
    #expect(String(decoding: member.attributes, as: UTF8.self) == "0           0     0     644     ")
    #expect(try ArArchive(parsing: Array("!<arch>\n".utf8)).members.isEmpty)
  }

  /// Output of `llvm-ar --format=bsd` for two files.
  @Test func bsdNamesAreRead() throws {
    let archive = Array(
      """
      !<arch>
      #1/12           0           0     0     644     16        `
      short\0\0\0\0\0\0\0odd
      #1/36           0           0     0     644     40        `
      a-name-of-more-than-fifteen-bytes\0\0\0even
      """.utf8)
    #expect(
      try Self.content(archive).elementsEqual(
        [("short", "odd\n"), ("a-name-of-more-than-fifteen-bytes", "even")], by: ==))
  }

  @Test func headersMatchThoseOfDpkgDeb() throws {
    let archive = try DebScene.package()
    for member in try ArArchive(parsing: archive).members {
      let header = ArArchive.header(
        name: member.name, size: member.contentRange.count,
        modified: try #require(
          Int(String(decoding: member.attributes.prefix(10), as: UTF8.self))))
      #expect(header == Array(archive[member.headerRange]))
    }
    #expect(ArArchive.header(name: "a-name-of-16-byt", size: 1, modified: 1) == nil)
    #expect(ArArchive.header(name: "n", size: 10_000_000_000, modified: 1) == nil)
    #expect(ArArchive.header(name: "n", size: 9_999_999_999, modified: 999_999_999_999)?.count == 60)
  }

  @Test func truncationAtAnyByteIsAnError() throws {
    let archive = try Self.pack(Self.files)
    let ends = try ArArchive(parsing: archive).members.flatMap { member in
      let end = member.contentRange.upperBound
      return [end, (end + 1) & ~1]
    }
    for count in 0..<archive.count {
      // The table of long names is not a member, but an archive with only that table is valid.
      let isWhole = ends.contains(count) || count == 8 || error(Array(archive[..<count])) == nil && count < ends[0]
      #expect((error(Array(archive[..<count])) == nil) == isWhole, "\(count)")
    }
  }

  @Test func damageNeverCrashes() throws {
    let archive = try Self.pack(Self.files)
    for damaged in Mutations(of: archive, count: 2000) {
      do {
        for member in try ArArchive(parsing: damaged).members {
          #expect(member.contentRange.upperBound <= damaged.count)
        }
      } catch is ParseError {}
    }
  }

  private static func member(size: String, name: String = "n", content: String = "12") -> [UInt8] {
    let field = { (text: String, width: Int) in text + String(repeating: " ", count: width - text.utf8.count) }
    return Array(
      ("!<arch>\n" + field(name, 16) + field("0", 12) + field("0", 6) + field("0", 6) + field("644", 8)
        + field(size, 10) + "`\n" + content).utf8)
  }

  /// dpkg parses neither time, owner, group nor mode.
  @Test(arguments: ["1700000000.5", "            ", "-1          ", "yesterday   "])
  func anyTimeIsAccepted(_ time: String) throws {
    var archive = Self.member(size: "2")
    archive.replaceSubrange(24..<36, with: time.utf8)
    #expect(try ArArchive(parsing: archive).members.map(\.attributes) == [Array(archive[24..<56])])
  }

  /// dpkg reads nothing after the last member that it needs.
  @Test func theEndMayLackPaddingOrHaveMore() throws {
    let odd = Self.member(size: "1", content: "1")
    #expect(try ArArchive(parsing: odd).trailer.isEmpty && ArArchive(parsing: odd + [0x0a]).trailer.isEmpty)
    #expect(try ArArchive(parsing: odd + Array("\n\n\n".utf8)).trailer.count == 2)
    #expect(try ArArchive(parsing: Self.member(size: "2") + [0, 0x0a]).trailer.count == 2)
    #expect(error(Self.member(size: "2") + [0x61])?.rule == .truncated)
    #expect(error(Self.member(size: "2") + [UInt8](repeating: 0x0a, count: 60)) != nil)
  }

  @Test func invalidSizesAndNamesAreRejected() {
    #expect(error(Self.member(size: "2")) == nil)
    for size in ["3", "9999999999"] { #expect(error(Self.member(size: size))?.rule == .truncated, "\(size)") }
    // dpkg reads these as 2.
    for size in [" 2", "2 2", "2 x"] { #expect(error(Self.member(size: size)) == nil, "\(size)") }
    for size in ["", "-2", "0x2", "+2", "2\0", "\u{fc}"] {
      #expect(error(Self.member(size: size))?.rule == .encoding, "\(size)")
    }
    for name in ["#1/3", "#1/9999999999999", "/0", "/5", ""] {
      #expect(error(Self.member(size: "2", name: name)) != nil, "\(name)")
    }
    #expect(error(Self.member(size: "2", name: "/x"))?.rule == .encoding)
    #expect(error(Self.member(size: "2") + Self.member(size: "2").dropFirst(8).dropLast(2))?.rule == .truncated)
    #expect(error(Array("!<thin>\n".utf8))?.rule == .magic)
    let empty = Array(Self.member(size: "0", content: "").dropFirst(8))
    let many = Array("!<arch>\n".utf8) + Array(repeatElement(empty, count: 10_001).joined())
    #expect(error(many)?.rule == .range)
  }
}
