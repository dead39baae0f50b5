// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import FATFileSystem
import Messages
import TestSupport
import Testing

/// For any input, reading terminates and its cluster information is correct.
@Suite struct FATHostileInputTests {
  /// An image with a replaced start.
  struct Variant: RandomAccessBytes {
    var start: [UInt8]
    var image: [UInt8]
    var count: Int { image.count }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
      try image.read(into: buffer, at: offset)
      guard offset < start.count else { return }
      let common = min(buffer.count, start.count - offset)
      try start.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<common]), at: offset)
    }
  }

  /// An image with 24 files in three directories, all in its first clusters.
  static func image(_ layout: FATLayout) throws -> FATImage {
    let image = try FATImage(layout)
    try image.makeDirectories(["/A", "/A/B", "/C"])
    let directory = try TemporaryDirectory()
    let names = (0..<24).map { $0.isMultiple(of: 2) ? "SHORT\($0).EFI" : "a longer name \($0).efi" }
    for (index, name) in names.enumerated() { try directory.write(name, pattern(index % 5 * 512, UInt32(index))) }
    for (part, target) in ["/", "/A", "/A/B", "/C"].enumerated() {
      let files = names[(part * 6)..<(part * 6 + 6)].map { directory.path(of: $0) }
      try image.mtools("mcopy", files + ["::\(target)"])
    }
    #expect(try image.volume().files.count == 24)
    return image
  }

  /// The relevant parts of an image: boot sector, start of the table, directories.
  static func islands(_ image: FATImage) throws -> [Range<Int>] {
    let table = image.tableOffset(0)
    // The root of FAT32 is cluster 2; that of FAT12 and FAT16 is before it, with 512 entries.
    let root = image.offset(ofCluster: 2) - (image.layout.bits < 32 ? 512 * 32 : 0)
    let clusters = try ["/A", "/A/B", "/C"].flatMap { try image.clusters(of: $0) }
    let directories = [root] + clusters.map { image.offset(ofCluster: $0) }
    return [0..<90, table..<table + 200] + directories.map { $0..<$0 + 512 }
  }

  @Test(arguments: FATLayout.plain) func damageNeverCrashes(layout: FATLayout) throws {
    let image = try Self.image(layout)
    let bytes = try image.scratch.bytes()
    let islands = try Self.islands(image).sorted { $0.lowerBound < $1.lowerBound }
    let original = Array(islands.map { bytes[$0] }.joined())
    let length = islands.map(\.upperBound).max() ?? 0
    var (read, broken, shared) = (0, 0, 0)
    // The table of FAT32 is much larger than its relevant part.
    let count = layout.bits == 32 ? 200 : 3000
    for variant in Mutations(of: original, count: count) {
      var start = Array(bytes[..<length])
      var rest = variant[...]
      for island in islands {
        let part = rest.prefix(island.count)
        start.replaceSubrange(island.lowerBound..<island.lowerBound + part.count, with: part)
        rest = rest.dropFirst(island.count)
      }
      let device = Variant(start: start, image: bytes)
      do {
        let volume = try FATVolume(parsing: device)
        read += 1
        broken += volume.files.contains { $0.chain != .sound } ? 1 : 0
        shared += volume.files.contains { !$0.sharesWith.isEmpty } ? 1 : 0
        try Self.requireTruth(of: volume, device)
      } catch is ParseError {}
    }
    // The variants are neither all rejected nor all harmless.
    #expect(read > count / 3 && read < count && broken > count / 10, "\(read) \(broken)")
    #expect(shared > 0 || layout.bits == 32)
  }

  /// Checks that sound files have the right number of bytes, and that files with common bytes report them.
  static func requireTruth(of volume: FATVolume, _ device: some RandomAccessBytes) throws {
    var owners: [Int: Int] = [:]
    for (index, file) in volume.files.enumerated() {
      guard let extents = volume.extents(of: file) else { continue }
      #expect(extents.reduce(0) { $0 + $1.count } == file.size)
      for extent in extents {
        for start in stride(from: extent.lowerBound, to: extent.upperBound, by: volume.bootSector.clusterSize) {
          if let other = owners.updateValue(index, forKey: start) {
            #expect(file.sharesWith.contains(volume.files[other].path))
            #expect(volume.files[other].sharesWith.contains(file.path))
          }
        }
      }
      if let edits = try? file.removal(from: device) {
        #expect(edits.allSatisfy { $0.bytes.count == 512 && $0.offset >= volume.bootSector.sectorSize })
      }
    }
  }

  /// Random chains, compared with the result of following each one separately.
  @Test(arguments: FATLayout.plain) func randomChainsMatchFollowingEachSeparately(layout: FATLayout) throws {
    let image = try Self.image(layout)
    let first = try image.volume().files
    let used = 70
    let fixed = try Set(["/A", "/A/B", "/C"].flatMap { try image.clusters(of: $0) } + (layout.bits == 32 ? [2] : []))
    var random = SplitMix(state: UInt64(layout.bits))
    for _ in 0..<15 {
      var table: [Int: Int] = Dictionary(uniqueKeysWithValues: fixed.map { ($0, image.end) })
      for cluster in 2..<used where !fixed.contains(cluster) {
        let kind = Int.random(in: 0..<100, using: &random)
        let others = (2..<used).filter { !fixed.contains($0) }
        let value =
          switch kind {
          case 0..<8: 0
          case 8..<10: 1
          case 10..<12: image.bad
          case 12..<14: image.clusterCount + 2
          case 14..<35: image.end
          default: others[Int.random(in: 0..<others.count, using: &random)]
          }
        table[cluster] = value
        try image.setEntry(cluster, value)
      }
      let files = try image.volume().files
      #expect(files.map(\.path) == first.map(\.path))
      let walks = files.map { Self.walk(from: Int($0.firstCluster), table, end: image.end, bad: image.bad) }
      for (index, file) in files.enumerated() {
        let (clusters, ending) = walks[index]
        let needed = (file.size + 511) / 512
        let isSound = ending == image.end && clusters.count == needed
        #expect((file.chain == .sound) == isSound, "\(file) \(clusters) \(ending)")
        switch file.chain {
        case .sound: break
        case .free: #expect(ending == 0)
        case .bad: #expect(ending == image.bad)
        case .outside(let cluster): #expect(ending == Int(cluster))
        case .loop: #expect(ending == -1)
        case .short(let count, let wanted): #expect(count == clusters.count && wanted == needed && count < needed)
        case .long(let count, let wanted): #expect(count == clusters.count && wanted == needed && count > needed)
        }
        let sharers = files.indices.filter { $0 != index && !Set(walks[$0].clusters).isDisjoint(with: clusters) }
        #expect(file.sharesWith.sorted() == sharers.map { files[$0].path }.sorted())
      }
    }
  }

  /// The clusters of a chain, and the value that ends it; -1 for a loop.
  static func walk(from first: Int, _ table: [Int: Int], end: Int, bad: Int) -> (clusters: [Int], ending: Int) {
    var (clusters, next): ([Int], Int) = ([], first)
    guard first > 0 else { return ([], end) }
    while let value = table[next] {
      if clusters.contains(next) { return (clusters, -1) }
      if value == 0 || value == bad { return (clusters, value) }
      clusters.append(next)
      next = value
    }
    return (clusters, next)
  }

  @Test(arguments: FATLayout.plain) func aTruncatedImageIsRejected(layout: FATLayout) throws {
    let image = try Self.image(layout)
    let size = try image.volume().bootSector.size
    let bytes = Array(try image.scratch.bytes().prefix(size))
    #expect(try FATVolume(parsing: bytes).files.count == 24)
    for count in [0, 1, 511, 512, image.tableOffset(0), image.offset(ofCluster: 2), size - 1] {
      let error = thrown(ParseError.self) { try FATVolume(parsing: Array(bytes[..<count])) }
      #expect(error?.rule == .truncated, "\(count)")
    }
  }

  /// The table is not read if it is larger than any boot partition's or if the device is too small.
  @Test func aHugeTableIsRejected() throws {
    var sector = try FATImage(.fat32).bytes(at: 0, count: 512)
    sector.replaceSubrange(32..<36, with: [0, 0, 0, 0x10])
    sector.replaceSubrange(36..<40, with: [0, 0, 0x20, 0])
    let size = 0x1000_0000 * 512
    func rule(_ count: Int) -> ParseError.Rule? {
      thrown(ParseError.self) { try FATVolume(parsing: SparseBytes(sector, count: count)) }?.rule
    }
    #expect(rule(size) == .range)
    #expect(rule(size - 1) == .truncated)
  }

  /// 70,000 names in two directories with slightly more than 2 MiB.
  @Test func theNumberOfNamesIsLimited() throws {
    let image = try FATImage(.large)
    try image.makeDirectories(["/A", "/B", "/C"])
    let slots = image.layout.clusterSize / 32
    var next = 100
    for (directory, clusters) in [("/A", 33), ("/B", 2)] {
      let own = try image.clusters(of: directory)[0]
      let chain = [own] + Array(next..<next + clusters - 1)
      next += clusters
      for (cluster, follower) in zip(chain, chain.dropFirst() + [image.end]) {
        let record = Array("NAME    EFI".utf8) + [UInt8](repeating: 0, count: 21)
        let skipped = cluster == own ? 2 : 0
        let content = [[UInt8]](repeating: record, count: slots - skipped).flatMap { $0 }
        try image.write(content, at: image.offset(ofCluster: cluster) + skipped * 32)
        try image.setEntry(cluster, follower)
      }
    }
    try image.write("/C/last", [1])
    let volume = try image.volume()
    #expect(volume.files.count == 65_536)
    #expect(volume.problems.map(\.path) == ["/A", "/B", "/C"])
    #expect(volume.problems.allSatisfy { $0.kind == .tooLarge })
    #expect(volume.files.count { $0.path == "/A/NAME.EFI" } == 65_534)
  }
}

/// Reproducible random numbers.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
  }
}
