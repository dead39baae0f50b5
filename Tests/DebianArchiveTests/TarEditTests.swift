// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import DebianArchive
import Messages
import TestSupport
import Testing

@Suite struct TarEditTests {
  private static func apply(_ edits: [ByteEdit], to text: [UInt8]) -> [UInt8] {
    edits.reversed().reduce(text) { text, edit in
      var text = text
      text.replaceSubrange(edit.range, with: edit.replacement)
      return text
    }
  }

  private static func entry(_ path: ArchivePath, _ archive: [UInt8]) throws -> TarEntry {
    try #require(try TarScene.read(archive).entries.first { $0.path == path })
  }

  private static func names(_ archive: [UInt8]) throws -> [String] {
    let file = try ScratchFile(archive)
    let text = try ExternalTool("tar").run(["--quoting-style=literal", "-tf", file.path])
    return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  @Test(arguments: TarScene.formats) func anEntryCanBeResized(_ format: String) throws {
    let archive = try TarScene.archive(format)
    let entry = try Self.entry("d/block", archive)
    let edits = try entry.edits(size: 1000)
    #expect(edits.areOrdered(within: entry.headerOffset..<entry.headerOffset + 512))
    var changed = Self.apply(edits, to: archive)
    #expect(changed.count == archive.count)
    changed.replaceSubrange(
      entry.contentRange, with: [UInt8](repeating: 8, count: 1000) + TarHeader.fill(after: 1000))
    let file = try ScratchFile(changed)
    #expect(
      try ExternalTool("tar").run(["-xOf", file.path, "./d/block"]) == [UInt8](repeating: 8, count: 1000))
    #expect(try Self.names(changed) == Self.names(archive))
    // Restoring the old size gives the same bytes.
    let back = try Self.entry("d/block", changed).edits(size: 512)
    #expect(Self.apply(back, to: Self.apply(edits, to: archive)) == archive)
    #expect(try entry.edits(size: 512) == [])
  }

  @Test func sizesTooLargeForOctalDigitsAreWritten() throws {
    let archive = try TarScene.archive("gnu")
    let edits = try Self.entry("d/block", archive).edits(size: 1 << 33)
    let changed = Self.apply(edits, to: archive)
    let file = try ScratchFile(changed)
    let listing = try ExternalTool("tar").result(["-tvf", file.path]).text
    #expect(listing.contains(" 8589934592 "))
    for path in ["d", "d/symbolic", "d/fifo"] {
      let entry = try Self.entry(ArchivePath(path), archive)
      #expect(thrown(ParseError.self) { try entry.edits(size: 1) }?.rule == .unsupported)
    }
  }

  @Test(arguments: [1, 96, 97, 98, 99, 100, 150, 511, 512, 600], ["gnu", "oldgnu"])
  func anEntryCanBeRenamed(_ length: Int, _ format: String) throws {
    let archive = try TarScene.archive(format)
    var name = Array(repeating: UInt8(ascii: "n"), count: length)
    for slash in stride(from: 200, to: length - 1, by: 200) { name[slash] = UInt8(ascii: "/") }
    let path = ArchivePath(normalizing: name)
    for old in ["d/file", "d/block", "d/\(TarScene.longName)/\(TarScene.longName)"] {
      let entries = try TarScene.read(archive).entries
      let entry = try #require(entries.first { $0.path == ArchivePath(old) || old == "d/file" && $0.path == "d/hard" })
      let edits = try entry.edits(renamedTo: path)
      #expect(edits.areOrdered(within: entry.start..<entry.contentRange.lowerBound))
      let changed = Self.apply(edits, to: archive)
      let oldName = String(decoding: entry.rawName, as: UTF8.self)
      #expect(
        try Self.names(changed)
          == Self.names(archive).map { $0 == oldName ? "./" + String(decoding: name, as: UTF8.self) : $0 })
      // The contents are intact: Python reads the whole archive, too.
      #expect(try TarScene.listing(changed) == TarScene.pythonListing(changed))
      let back = try Self.entry(path, changed).edits(renamedTo: entry.path)
      if format == "gnu" { #expect(Self.apply(back, to: changed) == archive) }
    }
  }

  /// Python's tarfile reads name and target back.
  @Test("Name and target of a hard link change together", arguments: [1, 99, 100, 101, 300], [1, 98, 101, 600])
  func linkTarget(_ length: Int, _ targetLength: Int) throws {
    let directory = try TemporaryDirectory()
    try directory.write("file", "0123456789")
    try ExternalTool("ln").run([directory.path(of: "file"), directory.path(of: "link")])
    let archive = try ExternalTool("tar").run(["-C", directory.path, "--format=gnu", "-c", "./file", "./link"])
    let name = ArchivePath(String(repeating: "n", count: min(length, 200)) + (length > 200 ? "/m" : ""))
    let target = ArchivePath(
      (0..<(targetLength / 200 + 1)).map { _ in String(repeating: "t", count: min(targetLength, 200)) }.joined(
        separator: "/"))
    let entry = try Self.entry("link", archive)
    let edits = try entry.edits(renamedTo: name, linkedTo: target)
    #expect(edits.areOrdered(within: entry.start..<entry.contentRange.lowerBound))
    let changed = Self.apply(edits, to: archive)
    let script = """
      import sys, tarfile
      print([(e.name, e.linkname) for e in tarfile.open(fileobj=sys.stdin.buffer, mode="r|")][1])
      """
    let read = try ExternalTool("python3").run(["-c", script], input: changed)
    #expect(String(decoding: read, as: UTF8.self) == "('./\(name)', './\(target)')\n")
    // Back to the short ones: the extensions disappear.
    let back = try Self.entry(name, changed).edits(renamedTo: "link", linkedTo: "file")
    #expect(Self.apply(back, to: changed) == archive)
    let file = try Self.entry("file", archive)
    #expect(thrown(ParseError.self) { try file.edits(renamedTo: "x", linkedTo: "y") }?.rule == .unsupported)
  }

  @Test func ustarEntriesAreRenamedWithAndWithoutPrefix() throws {
    let archive = try TarScene.archive("ustar")
    let long = ArchivePath("a/" + String(repeating: "b", count: 90) + "/" + String(repeating: "c", count: 60))
    for (old, new) in [
      ("d/block", long), ("d/block", "short"),
      ("d/\(TarScene.longName.prefix(90))/\(TarScene.longName.prefix(90))", "x"),
    ] {
      let entry = try Self.entry(ArchivePath(old), archive)
      let changed = Self.apply(try entry.edits(renamedTo: new), to: archive)
      #expect(
        try Self.names(changed).contains("./\(new)") && TarScene.listing(changed) == TarScene.pythonListing(changed))
    }
    let entry = try Self.entry("d/block", archive)
    let tooLong = ArchivePath(String(repeating: "d", count: 120))
    #expect(thrown(ParseError.self) { try entry.edits(renamedTo: tooLong) }?.rule == .unsupported)
    let old = try Self.entry("d/block", TarScene.archive("v7"))
    #expect(thrown(ParseError.self) { try old.edits(renamedTo: long) }?.rule == .unsupported)
    for unsafe in ["../x", "/x", "", "a\nb"] {
      #expect(thrown(ParseError.self) { try entry.edits(renamedTo: ArchivePath(unsafe)) }?.rule == .unsupported)
    }
  }

  @Test func fieldsSetByPaxRecordsCannotBeEdited() throws {
    let directory = try TemporaryDirectory()
    try directory.write("file", "0123456789")
    let archive = try ExternalTool("tar").run(
      ["-C", directory.path, "--format=posix", "--pax-option=path:=./d/other,size:=10", "-c", "file"])
    let entry = try Self.entry("d/other", archive)
    #expect(entry.size == 10)
    #expect(thrown(ParseError.self) { try entry.edits(size: 1) }?.rule == .unsupported)
    #expect(thrown(ParseError.self) { try entry.edits(renamedTo: "n") }?.rule == .unsupported)
  }

  /// New entries equal those that GNU tar writes for the same files.
  @Test(arguments: [1, 97, 98, 99, 100, 101, 509, 510, 511, 512, 700])
  func newEntriesMatchThoseOfGNUTar(_ length: Int) throws {
    let directory = try TemporaryDirectory()
    var name = String(repeating: "n", count: min(length, 200))
    while name.utf8.count < length { name += "/" + String(repeating: "m", count: min(100, length - name.utf8.count)) }
    if name.hasSuffix("/") { name = name.dropLast() + "x" }
    try directory.write("r/\(name)", "0123456789", mode: 0o640)
    func tar(_ arguments: [String]) throws -> [UInt8] {
      let made = try ExternalTool("tar").run(
        [
          "-C", directory.path(of: "r"), "--format=gnu", "--owner=root:0", "--group=root:0", "--no-recursion", "-b1",
          "-c",
        ]
          + arguments)
      return Array(made.dropLast(1024))
    }
    let file = TarHeader.file(ArchivePath(name), mode: 0o640, size: 10, modified: 1_700_000_000)
    #expect(
      try file + Array("0123456789".utf8) + TarHeader.fill(after: 10)
        == tar(["--mtime=@1700000000", "--mode=0640", "./\(name)"]))
    #expect(
      try TarHeader.file(ArchivePath(name), mode: 0o640, size: 10, modified: -1).suffix(512)
        == tar(["--mtime=@-1", "--mode=0640", "./\(name)"]).dropLast(512).suffix(512))
    try ExternalTool("ln").run(["-s", name, directory.path(of: "r/link")])
    #expect(
      try TarHeader.symbolicLink("link", to: Array(name.utf8), modified: 5) == tar(["--mtime=@5", "./link"]))
    try ExternalTool("mkdir").run(["-p", "\(directory.path(of: "r/dir"))/\(name)"])
    #expect(
      try TarHeader.directory(ArchivePath("dir/\(name)"), mode: 0o755, modified: 5)
        == tar(["--mtime=@5", "--mode=0755", "./dir/\(name)"]))
  }
}
