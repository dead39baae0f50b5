// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import FATFileSystem
import HostSystem
import Messages
import TestSupport
import Testing

/// Files written by mtools are read correctly.
@Suite struct FATVolumeTests {
  static let deep = (1...14).map { "level \($0)" }

  /// Writes long names, deep directories, fragmented files and deleted entries; returns the expected content.
  static func fill(_ image: FATImage) throws -> [String: [UInt8]] {
    let cluster = image.layout.clusterSize
    var contents: [String: [UInt8]] = [:]
    func write(_ path: String, _ count: Int) throws {
      contents[path] = pattern(count, UInt32(contents.count))
      try image.write(path, contents[path] ?? [])
    }
    try image.makeDirectories(["/EFI", "/EFI/BOOT", "/EFI/Linux", "/many"])
    try image.makeDirectories(deep.indices.map { "/" + deep[...$0].joined(separator: "/") })
    try write("/EFI/BOOT/BOOTX64.EFI", 3 * cluster)
    try write("/EFI/empty", 0)
    try write("/EFI/gap 1.efi", 2 * cluster)
    try write("/EFI/gap 2.efi", cluster)
    try write("/EFI/gap 3.efi", 1)
    try write("/lower.txt", 17)
    for gap in ["/EFI/gap 1.efi", "/EFI/gap 3.efi"] {
      try image.mtools("mdel", ["::\(gap)"])
      contents[gap] = nil
    }
    try image.reuseClusters()
    try write("/EFI/Linux/pve-6.8.12-4-pve.efi", 5 * cluster + 1)
    try write("/ünïcode €uro and a name that takes more than three slots.txt", cluster - 1)
    try write("/" + deep.joined(separator: "/") + "/" + String(repeating: "x", count: 200), cluster + 1)

    let directory = try TemporaryDirectory()
    let names = (0..<60).map { "entry \($0)." + String(repeating: "n", count: $0 * 3 + 1) }
    for (index, name) in names.enumerated() {
      contents["/many/\(name)"] = pattern(index, UInt32(index))
      try directory.write(name, contents["/many/\(name)"] ?? [])
    }
    try image.mtools("mcopy", names.map { directory.path(of: $0) } + ["::/many"])
    for name in names where name.count.isMultiple(of: 5) {
      try image.mtools("mdel", ["::/many/\(name)"])
      contents["/many/\(name)"] = nil
    }
    return contents
  }

  @Test(arguments: FATLayout.all) func filesByMtoolsAreRead(layout: FATLayout) throws {
    let image = try FATImage(layout)
    let contents = try Self.fill(image)
    let (volume, device) = (try image.volume(), try image.device())
    #expect(volume.bootSector.kind.rawValue == "FAT\(layout.bits)")
    #expect(volume.problems.isEmpty, "\(volume.problems)")
    #expect(volume.files.map(\.path).sorted() == contents.keys.sorted())
    #expect(try volume.files.map(\.path).sorted() == image.listing())
    for file in volume.files {
      #expect(file.chain == .sound && file.sharesWith.isEmpty, "\(file)")
      #expect(file.size == contents[file.path]?.count)
      #expect((file.firstCluster == 0) == (file.size == 0))
      #expect(try volume.content(of: file, in: device) == contents[file.path], "\(file.path)")
    }
    let path = "/EFI/Linux/pve-6.8.12-4-pve.efi"
    let clusters = try image.clusters(of: path)
    #expect(clusters.count == 6 && clusters != Array(clusters[0]...clusters[0] + 5))
    let extents = try #require(try volume.extents(of: volume.file(path)))
    let starts = extents.flatMap { stride(from: $0.lowerBound, to: $0.upperBound, by: layout.clusterSize) }
    #expect(starts == clusters.map { image.offset(ofCluster: $0) })
    #expect(try volume.file(path).firstCluster == UInt32(clusters[0]))
  }

  /// The files of a directory are in the order of their entries, before those of its subdirectories.
  @Test func filesAreInDirectoryOrder() throws {
    let image = try FATImage(.fat12)
    try image.makeDirectories(["/Z", "/A"])
    for path in ["/Z/2", "/b", "/A/1", "/Z/1", "/a.efi"] { try image.write(path, [1]) }
    let paths = try image.volume().files.map(\.path)
    #expect(paths == ["/b", "/a.efi", "/Z/2", "/Z/1", "/A/1"], "\(paths)")
  }

  /// A removal changes the directories like mdel, and does not change the allocation table.
  @Test(arguments: FATLayout.plain) func removalMatchesMdel(layout: FATLayout) throws {
    let image = try FATImage(layout)
    let contents = try Self.fill(image)
    let table = try image.bytes(at: 0, count: image.tableOffset(2))
    var sectorCounts: Set<Int> = []
    for path in contents.keys.sorted() {
      let file = try image.volume().file(path)
      let edits = try file.removal(from: image.device())
      sectorCounts.insert(edits.count)
      #expect(edits.allSatisfy { $0.offset.isMultiple(of: 512) && $0.bytes.count == 512 })
      let before = try edits.map { try image.bytes(at: $0.offset, count: 512) }

      try image.apply(Array(edits.prefix(1)))
      #expect(try !image.listing().contains(path))
      #expect(throws: ParseError.self) { try file.removal(from: image.device()) }
      for (edit, bytes) in zip(edits, before) { try image.write(bytes, at: edit.offset) }
      let twin = try ScratchFile()
      try ExternalTool("cp").run([image.scratch.path, twin.path])
      try ExternalTool("env").run(["LC_ALL=C.UTF-8", "mdel", "-i", twin.path, "::\(path)"])
      try image.apply(edits)
      for (edit, old) in zip(edits, before) {
        let file = try FileSystem().openFile(twin.path)
        #expect(try edit.bytes == file.readBytes(at: edit.offset, count: 512, format: "test"))
        #expect(zip(old, edit.bytes).filter { $0 != $1 }.allSatisfy { $1 == 0xe5 })
      }
    }
    #expect(sectorCounts.isSuperset(of: [1, 2]))
    #expect(try image.bytes(at: 0, count: image.tableOffset(2)) == table)
    #expect(try image.volume().files.isEmpty)
    let verdict = try image.check()
    #expect(!verdict.contains("share") && verdict.contains("Reclaimed"), "\(verdict)")
  }

  @Test func shortNamesHonourTheCaseBitsOfWindowsNT() throws {
    let image = try FATImage(.fat12)
    try image.write("/ABCDE.TXT", [1])
    let entry = try image.entryOffset("ABCDE   TXT")
    for (bits, name) in [(0, "/ABCDE.TXT"), (8, "/abcde.TXT"), (0x10, "/ABCDE.txt"), (0x18, "/abcde.txt")] {
      try image.write([UInt8(bits)], at: entry + 12)
      #expect(try image.volume().files.map(\.path) == [name])
      #expect(try image.listing() == [name])
    }
    try image.write(Array("AB CD      ".utf8), at: entry)
    #expect(try image.volume().files.map(\.path) == ["/ab cd"])
    try image.write([0x05] + Array("/\u{1f}     TXT".utf8), at: entry)
    #expect(try image.volume().files.map(\.path) == ["/σ\u{fffd}\u{fffd}.txt"])
  }

  /// Compares the table with iconv.
  @Test func shortNamesAreInCodePage437() throws {
    let image = try FATImage(.fat12)
    try image.write("/ABCDE.TXT", [1])
    let entry = try image.entryOffset("ABCDE   TXT")
    for byte in UInt8(0x80)...0xff {
      let text = try ExternalTool("iconv").run(["-f", "CP437", "-t", "UTF-8"], input: [0x41, byte])
      try image.write([0x41, byte] + Array("      TXT".utf8), at: entry)
      let path = String(decoding: "/".utf8 + text + ".TXT".utf8, as: UTF8.self)
      #expect(try image.volume().files.map(\.path) == [path])
    }
  }

  static let longName = "a long name with more than thirteen"
  static let shortName = "/ALONGN~1"

  /// Damage to one of the three slots of a long name, counted from the first on the disk.
  @Test(arguments: [
    (0, 13, 0xff), (1, 13, 0xff), (2, 13, 0xff), (0, 0, 0x44), (0, 0, 0x03), (1, 0, 0x03), (2, 0, 0xe5),
    (1, 0, 0x00), (0, 11, 0x20), (1, 1, 0x2f), (2, 2, 0xd8), (2, 1, 0x05),
  ]) func aDamagedLongNameIsIgnored(slot: Int, offset: Int, value: UInt8) throws {
    let image = try FATImage(.fat16)
    try image.write("/" + Self.longName, [1])
    #expect(try image.volume().files.map(\.path) == ["/" + Self.longName])
    let entry = try image.entryOffset("ALONGN~1   ")
    try image.write([value], at: entry - 96 + 32 * slot + offset)
    if value == 0x05 { try image.write([0], at: entry - 96 + 32 * slot + offset + 1) }
    let files = try image.volume().files
    #expect(files.last?.path == Self.shortName)
    // A slot with other attributes is an entry of its own.
    #expect(files.count == (offset == 11 ? 2 : 1))
  }

  /// A program without long names renamed the file, so that the checksum is that of the old name.
  @Test func aLongNameOfAnotherFileIsIgnored() throws {
    let image = try FATImage(.fat16)
    try image.write("/" + Self.longName, [1])
    try image.write(Array("RENAMED ".utf8), at: image.entryOffset("ALONGN~1   "))
    let file = try image.volume().file("/RENAMED")
    #expect(try image.listing() == [file.path])
    #expect(try file.removal(from: image.device())[0].bytes.count { $0 == 0xe5 } == 1)
  }

  /// Linux and fsck.fat read past a slot that was never used; a power cut can lose the start of a name.
  @Test func anUnusedSlotDoesNotEndTheDirectory() throws {
    let image = try FATImage(.fat12)
    try image.write("/" + Self.longName, [1])
    try image.write([UInt8](repeating: 0, count: 96), at: image.entryOffset("ALONGN~1   ") - 96)
    #expect(try image.volume().files.map(\.path) == [Self.shortName])
    #expect(try ExternalTool("fsck.vfat").result(["-n", "-v", "-l", image.scratch.path]).text.contains("/ALONGN~1"))
  }

  /// The long-name slots of one name must not be removed with the entry of another.
  @Test func orphanedSlotsStayWhenTheNextFileIsRemoved() throws {
    let image = try FATImage(.fat12)
    try image.write("/" + Self.longName, [1])
    try image.write("/OTHER.EFI", [2])
    let entry = try image.entryOffset("ALONGN~1   ")
    let other = try image.entryOffset("OTHER   EFI")
    try image.write([0xe5], at: entry)
    let file = try image.volume().file("/OTHER.EFI")
    let edits = try file.removal(from: image.device())
    let old = try image.bytes(at: edits[0].offset, count: 512)
    #expect(edits.count == 1)
    #expect(zip(old, edits[0].bytes).enumerated().filter { $1.0 != $1.1 }.map(\.offset) == [other - edits[0].offset])
  }
}
