// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import DebianArchive
import Messages
import TestSupport
import Testing

@Suite struct TarHostileTests {
  private static let sizeField = 124..<136

  /// A GNU header with a correct checksum and `changes` (offset and bytes) applied.
  private static func header(_ changes: [(Int, [UInt8])] = [], _ path: ArchivePath = "file", size: Int = 0) -> [UInt8] {
    var bytes = TarHeader.file(path, mode: 0o644, size: size, modified: 0)
    let last = bytes.count - 512
    for (offset, content) in changes {
      bytes.replaceSubrange(last + offset..<last + offset + content.count, with: content)
    }
    return withChecksum(bytes)
  }

  private static func withChecksum(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    let last = bytes.count - 512
    bytes.replaceSubrange(last + 148..<last + 156, with: [UInt8](repeating: 0x20, count: 8))
    let sum = bytes[last...].reduce(0) { $0 + Int($1) }
    let digits = String(sum, radix: 8)
    bytes.replaceSubrange(
      last + 148..<last + 156, with: Array((String(repeating: "0", count: 6 - digits.count) + digits + "\0 ").utf8))
    return bytes
  }

  private func error(_ archive: [UInt8], _ limits: TarLimits = TarLimits()) -> ParseError? {
    thrown(ParseError.self) { try TarScene.read(archive, limits: limits) }
  }

  @Test func truncationInsideAnEntryIsAnError() throws {
    for format in TarScene.formats {
      let archive = try TarScene.archive(format)
      let whole = try TarScene.read(archive)
      let end = try #require(whole.endOfArchive)
      let ends = Set(whole.entries.map(\.end) + [0])
      // A reader is a value, so a copy of it can be finished.
      var reader = TarReader()
      for count in 0..<end + 512 {
        var cut = reader
        if let error = thrown(ParseError.self, by: { try cut.finish() }) {
          #expect(error.rule == .truncated && !ends.contains(count), "\(format) \(count)")
        } else {
          #expect(ends.contains(count), "\(format) \(count)")
        }
        try archive[count..<count + 1].withUnsafeBytes { try reader.feed($0) { _ in } }
      }
    }
  }

  @Test func damageNeverCrashes() throws {
    for format in TarScene.formats {
      let archive = try TarScene.archive(format)
      let used = try #require(try TarScene.read(archive).endOfArchive)
      var errors = 0
      for damaged in Mutations(of: Array(archive[..<(used + 1024)]), count: 150) {
        do {
          let reading = try TarScene.read(damaged)
          #expect(reading.entries.allSatisfy { $0.contentRange.upperBound <= damaged.count })
        } catch is ParseError {
          errors += 1
        }
      }
      #expect(errors > 15, "\(format)")
    }
  }

  /// With a correct checksum, the checks of the other fields are reached.
  @Test func damagedFieldsWithAValidChecksumNeverCrash() throws {
    let archive = try TarScene.archive("posix")
    var errors = 0
    for header in try TarScene.read(archive).entries.map(\.headerOffset) {
      for mutation in Mutations(of: Array(archive[header..<header + 512]), count: 60) where mutation.count == 512 {
        let damaged = archive[..<header] + Self.withChecksum(mutation) + archive[(header + 512)...]
        if error(Array(damaged)) != nil { errors += 1 }
      }
    }
    #expect(errors > 20)
  }

  @Test(arguments: [
    ("2^33, GNU", [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0], ParseError.Rule.truncated),
    ("2^62", [0x80, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0], .truncated),
    ("2^63-1", [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], .range),
    ("2^63-512", [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0x00], .range),
    ("2^63", [0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0], .range),
    ("2^64", [0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], .range),
    ("-1", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], .range),
    ("-2^63", [0xff, 0xff, 0xff, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], .range),
    ("another first byte", [0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], .range),
    ("no digits", Array("abcdefghijk\0".utf8), .range),
    ("a digit that is not octal", Array("00000000008\0".utf8), .range),
    ("digits after the end", Array("0000\0000001".utf8) + [0x31], .range),
    ("a sign", Array("-0000000001\0".utf8), .range),
    ("8^12 - 1", Array("777777777777".utf8), .truncated),
  ]) func invalidSizesAreRejected(_ name: String, _ field: [UInt8], _ rule: ParseError.Rule) {
    #expect(error(Self.header([(124, field)]) + [UInt8](repeating: 1, count: 4096))?.rule == rule, "\(name)")
  }

  @Test func invalidPaxRecordsAreRejected() {
    func archive(_ record: String) -> [UInt8] {
      let length = record.utf8.count + 4
      let text = "\(length) \(record)\n"
      #expect(text.utf8.count == length)
      return Self.header([(156, [0x78])], size: length) + Array(text.utf8) + TarHeader.fill(after: length)
        + Self.header() + [UInt8](repeating: 0, count: 1024)
    }
    #expect(error(archive("comment=hello you")) == nil)
    for record in [
      "size=9223372036854775807", "size=9223372036854775808", "size=-1", "size=18446744073709551616", "uid=4294967296",
      "gid=-1234", "mtime=1.5.5.5", "mtime=9999999999999999999999", "uid=0x10000",
    ] {
      #expect(error(archive(record))?.rule == .range, "\(record)")
    }
    for text in ["", "5", "abc", "11 path=a", "99 path=a\n", "9 path\n", "6 =bc\n", "0000000000011 a=b\n", "-5 a=b\n"] {
      let bytes = Array(text.utf8)
      let archive =
        Self.header([(156, [0x78])], size: bytes.count) + bytes + TarHeader.fill(after: bytes.count) + Self.header()
      #expect((error(archive)?.rule == .encoding) == !text.isEmpty, "\(text)")
    }
  }

  @Test func tooManyHeaderExtensionsAreRejected() {
    let long = { (type: UInt8) in
      Self.header([(156, [type])], size: 5) + Array("name\0".utf8) + TarHeader.fill(after: 5)
    }
    for type in [UInt8(ascii: "L"), UInt8(ascii: "K")] {
      let sixteen = Array(repeatElement(long(type), count: 16).joined())
      #expect(error(sixteen + Self.header()) == nil)
      #expect(error(sixteen + long(type) + Self.header())?.rule == .range)
      #expect(error(sixteen)?.rule == .truncated)
      #expect(error(long(type) + [UInt8](repeating: 0, count: 1024))?.rule == .truncated)
    }
    var limits = TarLimits()
    limits.extensionSize = 1024
    #expect(error(Self.header([(156, [0x78])], size: 1025), limits)?.rule == .range)
    #expect(error(Self.header([(156, [0x4c])], size: 1 << 40))?.rule == .range)
    // A name that is too long, and one with data after its end.
    let name = [UInt8](repeating: 0x61, count: 5000)
    #expect(
      error(Self.header([(156, [0x4c])], size: 5000) + name + TarHeader.fill(after: 5000) + Self.header())?.rule
        == .range)
    #expect(
      error(Self.header([(156, [0x4c])], size: 4) + [0x61, 0, 0x62, 0] + TarHeader.fill(after: 4) + Self.header())?.rule
        == .range)
    limits.entries = 2
    #expect(error(Self.header() + Self.header(), limits) == nil)
    #expect(error(Self.header() + Self.header() + Self.header(), limits)?.rule == .range)
  }

  @Test func anEndlessSparseMapIsRejected() {
    let start = Self.header([(156, [UInt8(ascii: "S")]), (482, [1])])
    var block = [UInt8](repeating: 0, count: 512)
    block[504] = 1
    let blocks = Array(repeatElement(block, count: 3000).joined())
    #expect(error(start + blocks)?.rule == .range)
    #expect(error(start + block)?.rule == .truncated)
  }

  @Test func onlyFilesMayHaveContent() {
    for type in "123456".utf8 {
      #expect(error(Self.header([(156, [type]), (157, [0x61])], size: 512) + [UInt8](repeating: 1, count: 512)) != nil)
    }
    // Nor an entry that dpkg treats as a directory.
    #expect(
      error(Self.header([(2, Array("a/\0\0".utf8))], size: 512) + [UInt8](repeating: 1, count: 512))?.rule == .range)
  }

  @Test func dataAfterTheEndIsAnError() {
    let end = [UInt8](repeating: 0, count: 512)
    #expect(error(Self.header() + end + Self.header())?.rule == .trailingBytes)
    #expect(error(Self.header() + end + end + [1])?.offset == 1536)
    #expect(error(Self.header() + [1])?.rule == .truncated)
  }

  @Test func aWrongOrMissingChecksumIsRejected() {
    for checksum in ["000000\0 ", "        ", "\0\0\0\0\0\0\0\0", "9999999\0", "7777777\0"] {
      var bytes = Self.header()
      bytes.replaceSubrange(148..<156, with: Array(checksum.utf8))
      #expect(error(bytes)?.rule == "checksum")
    }
  }

  @Test(arguments: [
    ("/etc/shadow", ArchivePath.Hazard.absolute), ("../x", .parent), ("a/../../x", .parent), ("a/..", .parent),
    ("a\nb", .controlCharacter), ("a\u{7f}", .controlCharacter),
    ("./\u{1b}[2J", .controlCharacter),
  ]) func unsafeNamesAreRejectedOrReported(_ name: String, _ hazard: ArchivePath.Hazard) throws {
    let archive = Self.header([(0, Array((name + "\0").utf8))], "some-longer-name-to-be-replaced")
    #expect(error(archive)?.rule == "path")
    #expect(error(archive)?.description.utf8.contains { $0 < 0x20 || $0 == 0x7f } == false)
    var limits = TarLimits()
    limits.unsafeNames = .reported
    let entry = try #require(try TarScene.read(archive, limits: limits).entries.first)
    #expect(entry.rawName == Array(name.utf8) && entry.path.hazard == hazard && !entry.path.isConfined)
  }

  /// dpkg removes slashes after a leading dot, and the file system ignores more than one anywhere.
  @Test(arguments: [".//boot/x", "boot//x", "./boot/.//x"]) func slashesInARow(_ name: String) throws {
    let archive = Self.header([(0, Array((name + "\0").utf8))], "some-longer-name-to-be-replaced")
    #expect(try TarScene.read(archive).entries.first?.path == "boot/x")
  }

  @Test func pathsAreNotEndless() {
    #expect(ArchivePath(String(repeating: "a/", count: 63) + "a").hazard == nil)
    #expect(ArchivePath(String(repeating: "a/", count: 65) + "a").hazard == .tooDeep)
    #expect(ArchivePath("").hazard == .empty)
  }

  @Test func emptyAndOverlongNamesAreRejected() throws {
    #expect(error(Self.header([(0, [0x2e, 0x2f, 0])]))?.rule == .none)
    #expect(error(Self.header([(0, [0x2e, 0])]))?.rule == "path")
    #expect(error(Self.header([(0, [UInt8](repeating: 0, count: 100))]))?.rule == "path")
    let long = ArchivePath(String(repeating: "n", count: 256))
    #expect(error(Self.header([], long))?.rule == "path")
    #expect(error(Self.header([], ArchivePath(String(repeating: "n", count: 255)))) == nil)
  }

  @Test func linksOutOfTheArchiveAreRejected() {
    func link(_ type: Character, _ target: String, from path: ArchivePath = "lib/modules/build") -> ParseError? {
      error(Self.header([(156, Array(String(type).utf8)), (157, Array((target + "\0").utf8))], path))
    }
    for target in ["../../usr/src", "/usr/src/linux", "x/../../..", "./file", "../../"] {
      #expect(link("2", target) == nil, "\(target)")
    }
    for target in ["../../../etc", "x/../../../../etc", "/../etc", "", "a\nb", String(repeating: "../", count: 20)] {
      #expect(link("2", target)?.rule == "path", "\(target)")
    }
    for target in ["/etc/shadow", "../etc/shadow", "lib/../../x", "", "."] {
      #expect(link("1", target)?.rule == "path", "\(target)")
    }
    #expect(link("1", "./lib/file") == nil)
  }

  @Test func conflictingNamesAreRejected() throws {
    func admits(_ archive: [UInt8]...) throws -> ParseError? {
      let entries = try TarScene.read(Array(archive.joined())).entries
      return thrown(ParseError.self) {
        var names = TarNames()
        for entry in entries { try names.admit(entry) }
      }
    }
    let directory = TarHeader.directory("a", mode: 0o755, modified: 0)
    let file = TarHeader.file("a/b", mode: 0o644, size: 0, modified: 0)
    let link = TarHeader.symbolicLink("a", to: Array("/etc".utf8), modified: 0)
    let hard = Self.header([(156, [0x31]), (157, Array("./a/b\0".utf8))], "c")
    #expect(try admits(directory, directory, file, hard) == nil)
    #expect(try admits(file, hard) == nil)
    #expect(try admits(directory, file, file)?.rule == .overlap)
    #expect(try admits(directory, link)?.rule == .overlap)
    #expect(try admits(link, file)?.rule == "path")
    #expect(try admits(directory, hard, file)?.rule == "path")
    #expect(try admits(Self.header([], "a"), file)?.rule == "path")
    // `./a/b` and `a/./b` are the same file.
    #expect(try admits(directory, file, Self.header([(0, Array("a/./b\0".utf8))], "a-long-name"))?.rule == .overlap)
  }
}
