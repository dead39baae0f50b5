// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import FATFileSystem
import HostSystem
import Messages
import TestSupport
import Testing

/// Damage from a power cut is detected as by fsck.vfat, and a removal repairs it.
@Suite struct FATDamageTests {
  static let (new, old) = ("/EFI/Linux/new image of the kernel.efi", "/EFI/Linux/old.efi")
  static let (newEntry, oldEntry) = ("NEWIMA~1EFI", "OLD     EFI")

  /// Creates two files of 6 and 4 clusters, the last of which is not full.
  static func image(_ layout: FATLayout) throws -> FATImage {
    let image = try FATImage(layout)
    try image.makeDirectories(["/EFI", "/EFI/Linux"])
    try image.write(old, oldContent)
    try image.write(new, newContent)
    #expect(try image.clusters(of: new).count == 6 && image.clusters(of: old).count == 4)
    return image
  }

  static let newContent = pattern(5 * 512 + 1, 1)
  static let oldContent = pattern(3 * 512 + 1, 2)

  /// After half of a RENAME_EXCHANGE, both names have the clusters of the old file.
  @Test(arguments: FATLayout.plain, [new, old])
  func oneOfTwoNamesSharingClustersIsRemoved(layout: FATLayout, goes: String) throws {
    let image = try Self.image(layout)
    #expect(try !image.check().contains("share clusters"))
    try image.point(Self.newEntry, to: image.clusters(of: Self.old)[0], size: Self.oldContent.count)
    #expect(try image.check().contains("share clusters"))
    let volume = try image.volume()
    #expect(try volume.file(Self.new).sharesWith == [Self.old])
    #expect(try volume.file(Self.old).sharesWith == [Self.new])
    #expect(volume.files.allSatisfy { $0.chain == .sound } && volume.problems.isEmpty)

    let table = try image.bytes(at: 0, count: image.tableOffset(2))
    let stays = goes == Self.new ? Self.old : Self.new
    let edits = try volume.file(goes).removal(from: image.device())
    for edit in edits {
      try image.apply([edit])
      #expect(try image.listing() == [stays])
      #expect(try image.content(of: stays) == Self.oldContent)
      #expect(try image.bytes(at: 0, count: image.tableOffset(2)) == table)
      let after = try image.volume()
      #expect(after.files.map(\.path) == [stays] && after.files[0].sharesWith.isEmpty && after.files[0].chain == .sound)
    }
    let verdict = try image.check()
    #expect(!verdict.contains("share clusters") && verdict.contains("Reclaimed 6 unused clusters"), "\(verdict)")
    try image.repair()
    #expect(try image.content(of: stays) == Self.oldContent)
  }

  /// The damage to the clusters of `new`.
  enum Damage: String, CaseIterable, Sendable {
    case allFree, lastFree, middleBad, cut, extended, loop, selfLoop, outside, reserved, startsOutside, startsFree
    case noCluster, emptyWithCluster, larger, smaller
  }

  /// Damages the image and returns the expected chain and the corresponding output of fsck.vfat.
  static func inflict(_ damage: Damage, on image: FATImage) throws -> (FATChain, String) {
    let chain = try image.clusters(of: new)
    let (unused, clusters) = (chain[5] + 20, image.clusterCount)
    func free(_ cluster: Int) -> FATChain { .free(cluster: UInt32(cluster)) }
    switch damage {
    case .allFree:
      for cluster in chain { try image.setEntry(cluster, 0) }
      return (free(chain[0]), "Contains a free cluster (\(chain[0])). Assuming EOF")
    case .lastFree:
      try image.setEntry(chain[5], 0)
      return (free(chain[5]), "Contains a free cluster (\(chain[5])). Assuming EOF")
    case .middleBad:
      try image.setEntry(chain[3], image.bad)
      return (.bad(cluster: UInt32(chain[3])), "next_cluster on bad cluster")
    case .cut:
      try image.setEntry(chain[1], image.end)
      return (.short(clusters: 2, needed: 6), "cluster chain length is 1024 bytes")
    case .extended:
      try image.setEntry(chain[5], unused)
      try image.setEntry(unused, image.end)
      return (.long(clusters: 7, needed: 6), "cluster chain length is > 3072 bytes")
    case .loop:
      try image.setEntry(chain[5], chain[2])
      return (.loop, "Circular cluster chain. Truncating to 6 clusters")
    case .selfLoop:
      try image.setEntry(chain[0], chain[0])
      return (.loop, "Circular cluster chain. Truncating to 1 cluster")
    case .outside:
      try image.setEntry(chain[2], clusters + 2)
      return (
        .outside(cluster: UInt32(clusters + 2)),
        "Cluster \(chain[2] - 2) out of range (\(clusters + 2) > \(clusters + 1))"
      )
    case .reserved:
      try image.setEntry(chain[2], 1)
      return (.outside(cluster: 1), "Cluster \(chain[2] - 2) out of range (1)")
    case .startsOutside:
      try image.point(newEntry, to: clusters + 2)
      return (.outside(cluster: UInt32(clusters + 2)), "Start cluster beyond limit (\(clusters + 2) > \(clusters + 1))")
    case .startsFree:
      try image.point(newEntry, to: unused)
      return (free(unused), "Contains a free cluster (\(unused))")
    case .noCluster:
      try image.point(newEntry, to: 0)
      return (.short(clusters: 0, needed: 6), "cluster chain length is 0 bytes")
    case .emptyWithCluster:
      try image.point(newEntry, to: chain[0], size: 0)
      return (.long(clusters: 6, needed: 0), "cluster chain length is > 0 bytes")
    case .larger:
      try image.point(newEntry, to: chain[0], size: 6 * 512 + 1)
      return (.short(clusters: 6, needed: 7), "File size is 3073 bytes, cluster chain length is 3072 bytes")
    case .smaller:
      try image.point(newEntry, to: chain[0], size: 5 * 512)
      return (.long(clusters: 6, needed: 5), "cluster chain length is > 2560 bytes")
    }
  }

  @Test(arguments: FATLayout.plain, Damage.allCases)
  func aBrokenChainIsDetected(layout: FATLayout, damage: Damage) throws {
    let image = try Self.image(layout)
    let (chain, words) = try Self.inflict(damage, on: image)
    let verdict = try image.check()
    #expect(verdict.contains(words), "\(damage) \(verdict)")
    let volume = try image.volume()
    let file = try volume.file(Self.new)
    #expect(file.chain == chain && file.sharesWith.isEmpty)
    #expect(volume.extents(of: file) == nil)
    #expect(try volume.file(Self.old).chain == .sound && volume.problems.isEmpty)

    try image.apply(file.removal(from: image.device()))
    let after = try image.check()
    #expect(!after.contains("new image") && !after.contains("share"), "\(after)")
    try image.repair()
    // fsck.vfat saves lost clusters as files.
    #expect(try image.listing().filter { !$0.hasPrefix("/FSCK") } == [Self.old])
    #expect(try image.content(of: Self.old) == Self.oldContent)
  }

  /// Chains that meet in the middle share the rest; a third that meets the others later shares with both.
  @Test(arguments: FATLayout.plain) func chainsThatMeetInTheMiddleAreDetected(layout: FATLayout) throws {
    let image = try Self.image(layout)
    try image.write("/third.efi", pattern(2 * 512, 3))
    let (chain, old) = (try image.clusters(of: Self.new), try image.clusters(of: Self.old))
    let third = try image.clusters(of: "/third.efi")
    try image.setEntry(old[1], chain[4])
    #expect(try image.check().contains("share clusters"))
    var volume = try image.volume()
    #expect(volume.files.allSatisfy { $0.chain == .sound })
    #expect(try volume.file(Self.new).sharesWith == [Self.old])
    #expect(try volume.file("/third.efi").sharesWith.isEmpty)
    #expect(try volume.content(of: volume.file(Self.old), in: image.device())?.suffix(513) == Self.newContent[2048...])

    try image.setEntry(third[0], chain[5])
    volume = try image.volume()
    #expect(volume.files.allSatisfy { $0.chain == .sound })
    #expect(try volume.file("/third.efi").sharesWith.sorted() == [Self.new, Self.old])
    #expect(try volume.file(Self.old).sharesWith.sorted() == [Self.new, "/third.efi"])
    try image.apply(volume.file(Self.new).removal(from: image.device()))
    #expect(try image.volume().file("/third.efi").sharesWith == [Self.old])
    try image.apply(volume.file(Self.old).removal(from: image.device()))
    #expect(try image.volume().file("/third.efi").sharesWith.isEmpty)
    #expect(try !image.check().contains("share clusters"))
  }

  /// A damaged directory can have the same name twice.
  @Test func duplicateNamesAreRemovedSeparately() throws {
    let image = try FATImage(.fat12)
    try image.write("/FIRST.EFI", [1])
    try image.write("/OTHER.EFI", [2])
    let entry = try image.bytes(at: image.entryOffset("FIRST   EFI"), count: 32)
    try image.write(entry, at: image.entryOffset("OTHER   EFI"))
    let files = try image.volume().files
    #expect(files.map(\.path) == ["/FIRST.EFI", "/FIRST.EFI"])
    #expect(files.map(\.sharesWith) == [["/FIRST.EFI"], ["/FIRST.EFI"]])
    try image.apply(files[1].removal(from: image.device()))
    #expect(try image.volume().files.map(\.sharesWith) == [[]])
    #expect(try image.content(of: "/FIRST.EFI") == [1])
  }

  /// Nothing is written to a directory that shares clusters with a file.
  @Test(arguments: FATLayout.plain) func aFileSharingADirectorysClustersIsDetected(layout: FATLayout) throws {
    let image = try Self.image(layout)
    try image.write("/third.efi", pattern(10, 3))
    let cluster = try image.clusters(of: "/EFI/Linux")[0]
    try image.point("THIRD   EFI", to: cluster)
    #expect(try image.check().contains("share clusters"))
    let volume = try image.volume()
    #expect(try volume.file("/third.efi").sharesWith == ["/EFI/Linux"])
    #expect(volume.problems.map(\.path) == ["/EFI/Linux"])
    #expect(volume.problems.map(\.kind) == [.shared(by: ["/EFI/Linux", "/third.efi"])])
    let error = thrown(ParseError.self) { try volume.file(Self.new).removal(from: image.device()) }
    #expect(error?.rule == .overlap)
    try image.apply(volume.file("/third.efi").removal(from: image.device()))
    #expect(try image.volume().problems.isEmpty)
    #expect(try !image.check().contains("share clusters"))
  }

  /// The copies of the table can differ after a power cut.
  @Test(arguments: FATLayout.plain) func differingTablesAreReported(layout: FATLayout) throws {
    let image = try Self.image(layout)
    let cluster = try image.clusters(of: Self.new)[0]
    try image.setEntry(cluster, 0, copies: [1])
    #expect(try image.check().contains("FATs differ"))
    let volume = try image.volume()
    let first = try image.bytes(at: image.tableOffset(0), count: image.tableSize)
    let second = try image.bytes(at: image.tableOffset(1), count: image.tableSize)
    let difference = zip(first, second).enumerated().first { $1.0 != $1.1 }?.offset ?? 0
    #expect(volume.problems.map(\.kind) == [.tablesDiffer(offset: image.tableOffset(1) + difference)])
    #expect(volume.files.allSatisfy { $0.chain == .sound })
    try image.setEntry(cluster, 0, copies: [0])
    #expect(try image.volume().problems.isEmpty)
  }

  /// FAT32 can have only one table that is updated (BPB_ExtFlags).
  @Test func theActiveTableIsRead() throws {
    let image = try Self.image(.fat32)
    try image.setEntry(image.clusters(of: Self.new)[0], 0, copies: [1])
    try image.write([0x80], at: 40)
    #expect(try image.volume().problems.isEmpty)
    #expect(try image.volume().file(Self.new).chain == .sound)
    try image.write([0x81], at: 40)
    let volume = try image.volume()
    #expect(volume.problems.map(\.kind) == [.otherTable(1)])
    #expect(try volume.file(Self.new).chain != .sound && volume.file(Self.old).chain == .sound)
    try image.write([0x82], at: 40)
    #expect(thrown(ParseError.self) { try image.volume() }?.rule == .range)
    try image.write([0x01], at: 40)
    #expect(try image.volume().file(Self.new).chain == .sound)
  }
}
