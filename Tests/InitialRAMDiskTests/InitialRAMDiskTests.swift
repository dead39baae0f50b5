// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Compression
import InitialRAMDisk
import Messages
import TestSupport
import Testing

@Suite struct InitialRAMDiskTests {
  private let scene: RAMDiskScene
  init() throws { scene = try RAMDiskScene() }

  private typealias Member = RAMDiskBytes.Member
  private static let padding = [UInt8](repeating: 0, count: 512)

  /// Type, permissions, size, name and target as `cpio -tv` shows them.
  private func expect(_ members: [RAMDiskMember], matches lines: [String]) {
    #expect(members.count == lines.count && !lines.isEmpty)
    for (member, line) in zip(members, lines) {
      let fields = line.split(separator: " ", maxSplits: 8)
      let type =
        switch member.mode & 0o170000 {
        case 0o100000: "-"
        case 0o040000: "d"
        case 0o120000: "l"
        case 0o010000: "p"
        default: "?"
        }
      #expect(fields[0].hasPrefix(type) && fields[4] == "\(member.size)", "\(line)")
      #expect(member.isDirectory == (type == "d") && member.isRegular == (type == "-"), "\(line)")
      #expect(fields[8] == member.name + (member.target.map { " -> \($0)" } ?? ""), "\(line)")
      #expect((member.mode & 0o4000 != 0) == (member.name == "init" || member.name == "hard"), "\(line)")
    }
  }

  @Test(arguments: ["newc", "crc"]) func anArchiveIsListedAsByCpio(_ format: String) throws {
    let archive = try scene.archive(format)
    expect(try members(of: archive), matches: try scene.listed(archive))
  }

  @Test(arguments: [
    ("gzip", EmbeddedStream.Format.gzip), ("bzip2", .bzip2), ("xz --check=crc32", .xz),
    ("xz -T2 --block-size=8192", .xz),
    ("lzma", .lzma), ("lz4 -l", .lz4), ("zstd", .zstd), ("zstd -19 --no-check", .zstd),
  ])
  func eachCompressionIsListedAlsoBetweenOthers(_ tool: String, _ format: EmbeddedStream.Format) throws {
    let archive = try scene.archive()
    let packed = try RAMDiskScene.packed(archive, tool)
    #expect(packed.count < archive.count + 512)
    expect(try members(of: packed), matches: try scene.listed(archive))
    // As dracut makes them, microcode first; and with one more at the end.
    let early = RAMDiskBytes.archive([.directory("kernel"), Member("kernel/x86/microcode/GenuineIntel.bin", "code")])
    var joined = early + Self.padding + packed + Self.padding
    joined += [UInt8](repeating: 0, count: (4 - joined.count % 4) % 4)
    let positions = [0, early.count + 512, joined.count]
    joined += early
    joined += packed
    var found: [RAMDiskMember] = []
    let segments = try InitialRAMDisk(joined).forEachMember { found.append($0) }
    expect(found.filter { !$0.name.hasPrefix("kernel") }, matches: try scene.listed(archive, archive))
    #expect(found.count(where: { $0.name == "kernel/x86/microcode/GenuineIntel.bin" }) == 2)
    #expect(segments.map(\.compression) == [nil, format, nil, format])
    #expect(Array(segments.map(\.start).prefix(3)) == positions)
    let count = try scene.listed(archive).count
    #expect(segments.map(\.members) == [2, count, 2, count])
  }

  @Test func formatsThatTheKernelCannotUnpackAreRejected() throws {
    let archive = try scene.archive()
    let frame = failure(of: try RAMDiskScene.packed(archive, "lz4"))
    #expect(frame?.rule == .magic && frame?.detail.contains("lz4 -l") == true)
    #expect(failure(of: try scene.archive("odc"))?.detail.contains("old format") == true)
    #expect(failure(of: Array("initrd".utf8))?.rule == .magic)
    #expect(failure(of: [0x30])?.rule == .truncated)
    // Within a compressed stream there may only be archives.
    #expect(failure(of: try RAMDiskScene.packed(RAMDiskScene.packed(archive, "gzip"), "gzip")) != nil)
    #expect(failure(of: try RAMDiskScene.packed(archive + [1, 2, 3, 4], "zstd"))?.rule == .magic)
    #expect(failure(of: try RAMDiskScene.packed(Array("text".utf8), "xz"))?.rule == .magic)
  }

  @Test func lzoIsNotExamined() throws {
    #expect(failure(of: try RAMDiskScene.packed(scene.archive(), "lzop"))?.rule == .unsupported)
  }

  @Test func emptyInitrdsHaveNoMembers() throws {
    #expect(try members(of: [UInt8]()).isEmpty)
    #expect(try members(of: [UInt8](repeating: 0, count: 9000)).isEmpty)
    #expect(try members(of: RAMDiskBytes.archive([])).isEmpty)
  }

  /// Like the kernel: an uncompressed archive may lack its trailer, a compressed one may not.
  @Test func theTrailerIsNeededInACompressedArchiveOnly() throws {
    let archive = RAMDiskBytes.archive([Member("init", "x")], hasTrailer: false)
    #expect(try members(of: archive).map(\.name) == ["init"])
    let error = failure(of: try RAMDiskScene.packed(archive, "zstd"))
    #expect(error?.rule == .truncated && error?.detail.contains("TRAILER!!!") == true)
  }

  @Test func archivesStartAtMultiplesOfFour() throws {
    let archive = RAMDiskBytes.archive([Member("init", "x")])
    #expect(try members(of: archive + [0, 0, 0, 0] + archive).count == 2)
    #expect(failure(of: archive + [0] + archive) != nil)
    #expect(failure(of: [0] + archive)?.rule == .magic)
    // The kernel does not align compressed archives at the start.
    #expect(try members(of: [0] + RAMDiskScene.packed(archive, "gzip")).count == 1)
  }

  /// The kernel skips them without an error (do_header in init/initramfs.c).
  @Test func membersThatTheKernelSkipsAreNotListed() throws {
    var empty = Member("")
    empty.name = []
    let long = Member(String(repeating: "a", count: 4096))
    let full = Member("dir", mode: 0o040755, "content")
    let target = Member("link", mode: 0o120777, String(repeating: "t", count: 4097))
    let longest = Member(String(repeating: "b", count: 4095))
    let archive = RAMDiskBytes.archive([empty, Member("a"), long, full, Member("b", "x"), target, longest, Member("c")])
    #expect(try members(of: archive).map(\.name.utf8.count) == [1, 1, 4095, 1])
  }

  @Test func unusualNamesAreListedAsTheyAre() throws {
    let names = ["../../etc/passwd", "/init", "a\nb", "", "./x", "\u{1b}[2J"]
    #expect(try members(of: RAMDiskBytes.archive(names.map { Member($0) })).map(\.name) == names)
    #expect(try members(of: RAMDiskBytes.archive([Member("a\0b")])).map(\.name) == ["a"])
    var open = Member("ab")
    open.name = Array("abc".utf8)
    #expect(failure(of: RAMDiskBytes.archive([open]))?.rule == .encoding)
  }

  @Test func namesAndTargetsAcrossPiecesAreRead() throws {
    // More than one buffer, so that members cross its end.
    let list = (0..<9000).map {
      $0 % 3 == 0 ? Member.link("link\($0)", to: "to\($0)") : Member("file\($0)", "content\($0)")
    }
    let found = try members(of: RAMDiskBytes.archive(list))
    #expect(found.count == 9000 && found[8997].target == "to8997" && found[8999].name == "file8999")
  }
}
