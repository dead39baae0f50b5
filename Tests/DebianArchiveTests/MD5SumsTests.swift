// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import DebianArchive
import Messages
import TestSupport
import Testing

@Suite struct MD5SumsTests {
  private static let empty = "d41d8cd98f00b204e9800998ecf8427e"
  private static let other = "900150983cd24fb0d6963f7d28e17f72"

  private static func sums(_ text: String) throws -> MD5Sums { try MD5Sums(parsing: Array(text.utf8)) }
  private static func text(_ sums: MD5Sums) -> String { String(decoding: sums.serialize(), as: UTF8.self) }

  private func rule(_ text: String) -> ParseError.Rule? { thrown(ParseError.self) { try Self.sums(text) }?.rule }

  @Test func outputOfMD5sumIsReadAndPreserved() throws {
    let directory = try TemporaryDirectory()
    for name in ["b", "a/x", "a-b", "a b"] { try directory.write(name, name == "b" ? "abc" : "") }
    let text = try ExternalTool("sh").run([
      "-c", "cd \(directory.path) && md5sum a/x a-b b 'a b' && md5sum -b b | tr b c",
    ])
    let sums = try MD5Sums(parsing: text)
    #expect(sums.serialize() == text && sums.paths.count == 5)
    #expect(sums.digest(of: "b")?.hexadecimal == Self.other && sums.digest(of: "a/x")?.hexadecimal == Self.empty)
    #expect(sums.digest(of: "a b") != nil && sums.digest(of: "nothing") == nil)
  }

  @Test func unchangedLinesArePreserved() throws {
    let start = "\(Self.empty) *a\n\(Self.empty.uppercased())  ./b/c\n\(Self.empty)  boot/vmlinuz\n\(Self.empty)  z"
    var sums = try Self.sums(start)
    let digest = try #require([UInt8](hexadecimal: Self.other))
    sums.set("boot/vmlinuz", to: digest)
    sums.set("boot/a", to: digest)
    sums.rename([(old: "a", new: "y"), (old: "nothing", new: "x")])
    sums.remove("nothing")
    sums.set("zz", to: digest)
    #expect(
      Self.text(sums) == """
        \(Self.empty.uppercased())  ./b/c
        \(Self.other)  boot/a
        \(Self.other)  boot/vmlinuz
        \(Self.empty)  y
        \(Self.empty)  z
        \(Self.other)  zz

        """)
    #expect(sums.digest(of: "boot/vmlinuz") == digest && sums.digest(of: "a") == nil)
    sums.remove("b/c")
    #expect(sums.digest(of: "zz") == digest && sums.paths.first == "boot/a")
    var none = MD5Sums()
    none.set("usr/x", to: digest)
    #expect(Self.text(none) == "\(Self.other)  usr/x\n")
  }

  /// `dpkg --install` ignores md5sums, and `dpkg --verify` uses the last line of a path.
  @Test(arguments: [
    "\(empty) a", "\(empty)\ta", "\(empty)  /a", "\(empty)  .//a", "\(empty)  a\r", "\n\(empty)  a\n \n",
    "\(other)  a\n\(empty)  a",
  ])
  func handMadeListsAreReadAndKept(_ text: String) throws {
    var sums = try Self.sums("\(text)\n\(Self.other)  z\n")
    #expect(sums.digest(of: "a")?.hexadecimal == Self.empty && sums.digest(of: "z") != nil)
    #expect(Self.text(sums) == "\(text)\n\(Self.other)  z\n")
    sums.set("a", to: [UInt8](repeating: 0xab, count: 16))
    let expected = String(repeating: "ab", count: 16)
    let lines = text.replacing(Self.empty, with: expected).replacing("\(Self.other)  a", with: "\(expected)  a")
    #expect(Self.text(sums) == "\(lines)\n\(Self.other)  z\n")
  }

  /// Renaming 20,000 lines one by one took minutes.
  @Test(.timeLimit(.minutes(1))) func manyLinesAreRenamedInOnePass() throws {
    let names = (0..<20_000).map { "doc/old/\($0)" }
    var sums = try Self.sums(names.map { "\(Self.empty)  \($0)\n" }.joined())
    sums.rename(names.map { (old: ArchivePath($0), new: ArchivePath($0.replacing("old", with: "new"))) })
    #expect(sums.paths.count == 20_000 && sums.paths.allSatisfy { $0.isBelow("doc/new") })
    #expect(sums.paths == sums.paths.sorted())
  }

  @Test func newLinesEndLikeTheOthers() throws {
    var sums = try Self.sums("\(Self.empty)  a\r\n\(Self.empty)  c\r\n")
    sums.set("b", to: [UInt8](repeating: 0, count: 16))
    #expect(Self.text(sums).contains("  b\r\n\(Self.empty)  c\r\n"))
  }

  /// The order is that of `sort` in the C locale.
  @Test func linesAreOrderedLikeSort() throws {
    let names = ["a", "a-b", "a/b", "a.b", "B", "b", "_", "a0", "\u{e4}", "a/b-c"]
    var sums = MD5Sums()
    for name in names { sums.set(ArchivePath(name), to: [UInt8](repeating: 0, count: 16)) }
    let sorted = try ExternalTool("env").run(["LC_ALL=C", "sort"], input: Array(names.joined(separator: "\n").utf8))
    #expect(
      sums.paths.map(\.description) == String(decoding: sorted, as: UTF8.self).split(separator: "\n").map(String.init))
  }

  @Test func invalidListsAreRejected() {
    #expect(rule("") == .none)
    for text in [
      "a\n", "\(Self.empty)\n", "\(Self.empty)  \n", "\(Self.empty)a\n", "x\(Self.empty.dropFirst())  a\n",
      "\\\(Self.empty)  a\\nb\n", "\(Self.empty)0  a\n",
    ] {
      #expect(rule(text) == .encoding, "\(text)")
    }
    for path in ["/../etc/passwd", "../x", "a\u{1b}b", ".", "a\rb"] {
      #expect(rule("\(Self.empty)  \(path)\n") == "path", "\(path)")
    }
  }

  @Test func damageNeverCrashes() {
    for damaged in Mutations(of: Array("\(Self.empty)  a\n\(Self.other)  b\n".utf8), count: 1000) {
      if let sums = try? MD5Sums(parsing: damaged) { #expect(sums.serialize() == damaged) }
    }
  }
}
