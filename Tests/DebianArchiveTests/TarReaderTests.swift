// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import DebianArchive
import TestSupport
import Testing

@Suite struct TarReaderTests {
  @Test(arguments: TarScene.formats) func archivesByGNUTarAreReadLikePython(_ format: String) throws {
    let archive = try TarScene.archive(format)
    let expected = try TarScene.pythonListing(archive)
    #expect(expected.count >= 6)
    #expect(try TarScene.listing(archive) == expected)
    for piece in [1, 511, 512, 513] { #expect(try TarScene.listing(archive, piece: piece) == expected) }
  }

  @Test(arguments: TarScene.formats) func contentsAreReadUnchanged(_ format: String) throws {
    let reading = try TarScene.read(TarScene.archive(format), piece: 100)
    let file = try #require(reading.entries.firstIndex { $0.path == "d/file" || $0.path == "d/hard" })
    #expect(reading.contents[file] == Array(String(repeating: "0123456789", count: 123).utf8))
    let block = try #require(reading.entries.firstIndex { $0.path == "d/block" })
    #expect(reading.contents[block] == [UInt8](repeating: 7, count: 512))
    for (entry, content) in zip(reading.entries, reading.contents) { #expect(content.count == entry.size) }
    #expect(reading.endOfArchive == reading.entries.last?.end && reading.finished == reading.endOfArchive)
  }

  @Test func numbersTooLargeForOctalDigitsAreRead() throws {
    let options = ["--owner=somebody:3000000000", "--group=some:2097152", "--mtime=@-5"]
    for format in ["gnu", "oldgnu", "posix"] {
      let archive = try TarScene.archive(format, options)
      #expect(try TarScene.listing(archive) == TarScene.pythonListing(archive), "\(format)")
      let entry = try #require(try TarScene.read(archive).entries.first)
      #expect((entry.owner, entry.group, entry.modified, entry.ownerName) == (3_000_000_000, 2_097_152, -5, "somebody"))
    }
  }

  /// Device nodes, which only root can create, and IDs, packed by Python.
  @Test(arguments: ["USTAR_FORMAT", "GNU_FORMAT", "PAX_FORMAT"]) func archivesByPythonAreRead(_ format: String) throws {
    let script = """
      import sys, tarfile, io
      t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.\(format))
      def add(name, kind, **more):
        m = tarfile.TarInfo(name); m.type = kind; m.mtime = 1234567890
        for k, v in more.items(): setattr(m, k, v)
        t.addfile(m, io.BytesIO(b'x' * m.size))
      add('dev', tarfile.DIRTYPE, mode=0o755)
      add('dev/null', tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
      add('dev/sda', tarfile.BLKTYPE, devmajor=8, devminor=0)
      add('link', tarfile.SYMTYPE, linkname='dev/null')
      add('file', tarfile.REGTYPE, size=1025, uid=1000, gid=100, uname='me', gname='users')
      add('old', tarfile.AREGTYPE, size=3)
      add('contiguous', tarfile.CONTTYPE, size=3)
      add('l' * 90 + '/' + 'm' * 90, tarfile.REGTYPE, size=1)
      t.close()
      """
    let archive = try ExternalTool("python3").run(["-c", script])
    #expect(try TarScene.listing(archive) == TarScene.pythonListing(archive))
    let entries = try TarScene.read(archive).entries
    #expect(entries.count == 8 && entries[1].device == [1, 3] && entries[1].kind == .characterDevice)
  }

  @Test(arguments: ["gnu", "oldgnu", "posix 0.0", "posix 0.1", "posix 1.0"])
  func sparseFilesAreRead(_ form: String) throws {
    let directory = try TemporaryDirectory()
    let parts = form.split(separator: " ").map(String.init)
    // More holes than fit in the header.
    let script = """
      f = open('\(directory.path)/sparse', 'wb')
      for i in range(40):
        f.seek(i * 65536); f.write(b'%4096d' % i)
      f.truncate(1 << 24)
      open('\(directory.path)/z-after', 'wb').write(b'after')
      """
    try ExternalTool("python3").run(["-c", script])
    let archive = try ExternalTool("tar").run(
      ["-C", directory.path, "--format=\(parts[0])", "-S", "--hole-detection=raw", "-c", "sparse", "z-after"]
        + (parts.count > 1 ? ["--sparse-version=\(parts[1])"] : []))
    #expect(archive.count < 1 << 20)
    let reading = try TarScene.read(archive, piece: 1000)
    try #require(reading.entries.count == 2)
    #expect(reading.entries[0].kind == .sparseFile && reading.entries[0].path == "sparse")
    #expect(reading.entries[0].realSize == 1 << 24 && reading.entries[0].size < 1 << 20)
    #expect(reading.entries[1].path == "z-after" && reading.contents[1] == Array("after".utf8))
  }

  @Test func paxHeadersOverrideFieldsAndAreKept() throws {
    let archive = try TarScene.archive(
      "posix", ["--pax-option=globexthdr.name=g,comment=all,comment:=one,atime:=12.5,mtime:=77.25"])
    let entry = try #require(try TarScene.read(archive).entries.first { $0.path == "d/file" })
    #expect(entry.modified == 77)
    #expect(entry.paxRecords.first { $0.key == "comment" }?.value == Array("one".utf8))
    #expect(entry.paxRecords.first { $0.key == "mtime" }?.value == Array("77.25".utf8))
  }

  @Test func anArchiveWithoutZeroBlocksIsComplete() throws {
    let archive = try TarScene.archive("gnu")
    let whole = try TarScene.read(archive)
    let end = try #require(whole.endOfArchive)
    let cut = try TarScene.read(Array(archive[..<end]))
    #expect(cut.endOfArchive == nil && cut.finished == end && cut.entries == whole.entries)
    #expect(try TarScene.read([]).finished == 0)
    #expect(try TarScene.read(archive + [UInt8](repeating: 0, count: 100_000)).entries == whole.entries)
  }

  @Test func readingCanStartAtAnyEntry() throws {
    let archive = try TarScene.archive("gnu")
    let whole = try TarScene.read(archive)
    let second = whole.entries[1]
    let rest = try TarScene.read(Array(archive[second.start...]), startingAt: second.start)
    #expect(rest.entries == Array(whole.entries.dropFirst()) && rest.endOfArchive == whole.endOfArchive)
  }
}
