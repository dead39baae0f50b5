// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import FATFileSystem
import Messages
import TestSupport
import Testing

/// A damaged directory is reported and does not hide others.
@Suite struct FATDirectoryDamageTests {
  /// `/A` with 40 files with long names, in several clusters; `/B/sub/file` and `/top`.
  static func image(_ layout: FATLayout) throws -> FATImage {
    let image = try FATImage(layout)
    try image.makeDirectories(["/A", "/B", "/B/sub"])
    let directory = try TemporaryDirectory()
    for number in 10..<50 { try directory.write("a name with many characters \(number)", [UInt8(number)]) }
    try image.mtools("mcopy", (10..<50).map { directory.path(of: "a name with many characters \($0)") } + ["::/A"])
    try image.write("/B/sub/file", [1, 2, 3])
    try image.write("/top", [4])
    #expect(try image.volume().files.count == 42 && image.clusters(of: "/A").count == 11)
    return image
  }

  static func others(_ volume: FATVolume) -> [String] {
    volume.files.map(\.path).filter { !$0.hasPrefix("/A/") }
  }

  @Test(arguments: FATLayout.plain) func aBrokenDirectoryIsReadUpToTheBreak(layout: FATLayout) throws {
    let image = try Self.image(layout)
    let clusters = try image.clusters(of: "/A")
    func state(_ cluster: Int, _ value: Int) throws -> (count: Int, kinds: [FATProblem.Kind]) {
      try image.setEntry(clusters[cluster], value)
      let volume = try image.volume()
      #expect(Self.others(volume) == ["/top", "/B/sub/file"] && volume.problems.allSatisfy { $0.path == "/A" })
      return (volume.files.count - 2, volume.problems.map(\.kind))
    }
    let free = UInt32(clusters[8])
    var (count, kinds) = try state(8, 0)
    #expect(kinds == [.chain(.free(cluster: free))] && 20..<40 ~= count)
    (count, kinds) = try state(5, 1)
    #expect(kinds == [.chain(.outside(cluster: 1))] && 10..<25 ~= count)
    (count, kinds) = try state(5, clusters[1])
    #expect(kinds == [.chain(.loop)] && 10..<25 ~= count)
    (count, kinds) = try state(0, 0)
    #expect(kinds == [.chain(.free(cluster: UInt32(clusters[0])))] && count == 0)
    try image.point("A          ", to: 0)
    (count, kinds) = try state(0, image.end)
    #expect(kinds == [.chain(.short(clusters: 0, needed: 1))] && count == 0)
  }

  /// A directory that points to itself, to its parent, or to another directory.
  @Test(arguments: FATLayout.plain, ["/B/sub", "/B", "/A"]) func circularDirectoriesAreDetected(
    layout: FATLayout, target: String
  ) throws {
    let image = try Self.image(layout)
    let cluster = try image.clusters(of: target)[0]
    // In the cluster of /B/sub, turns the entry of the file into a directory.
    let entry = try image.entryOffset("FILE       ")
    try image.write([0x10], at: entry + 11)
    try image.write([0, 0, 0, 0], at: entry + 28)
    try image.point("FILE       ", to: cluster)
    let words = ["/A": "share clusters", "/B": "containing directory's parent", "/B/sub": "containing directory."]
    #expect(try image.check().contains(words[target] ?? "?"))
    let volume = try image.volume()
    #expect(volume.files.count == 41 && volume.files[0].path == "/top")
    #expect(volume.problems.map(\.path) == [target, "/B/sub/file"])
    #expect(volume.problems.allSatisfy { $0.kind == .shared(by: [target, "/B/sub/file"]) })
  }

  /// Clusters that were never written are not a directory, also for fsck.vfat.
  @Test(arguments: FATLayout.plain) func otherContentIsNotADirectory(layout: FATLayout) throws {
    let image = try Self.image(layout)
    let cluster = try image.clusters(of: "/A")[0]
    try image.write(pattern(512, 7), at: image.offset(ofCluster: cluster))
    #expect(try image.check().contains("Expected a valid '.' entry"))
    let volume = try image.volume()
    #expect(volume.problems.map(\.path) == ["/A"] && volume.problems.map(\.kind) == [.notADirectory])
    #expect(Self.others(volume) == ["/top", "/B/sub/file"])
  }

  @Test func aBrokenFAT32RootIsReported() throws {
    let image = try Self.image(.fat32)
    try image.write([0, 0, 0, 0], at: 44)
    #expect(try image.volume().problems.map(\.kind) == [.chain(.short(clusters: 0, needed: 1))])
    try image.write([1, 0, 0, 0], at: 44)
    #expect(try image.volume().problems.map(\.kind) == [.chain(.outside(cluster: 1))])
    #expect(try image.volume().files.isEmpty)
    let message = try image.volume().problems[0].message
    #expect(message == "the cluster chain of directory / leads to cluster 1, which does not exist")
  }

  /// The length of a path is limited.
  @Test func directoriesThatAreTooDeepAreReported() throws {
    let image = try FATImage(.fat16)
    let names = (10..<60).map { "a directory of level \($0)" }
    let paths = names.indices.map { "/" + names[...$0].joined(separator: "/") }
    try image.makeDirectories(Array(paths[..<43]))
    for depth in [41, 42] { try image.write("\(paths[depth])/file", [1]) }
    let volume = try image.volume()
    #expect(paths[41].utf8.count <= 1024 && paths[42].utf8.count > 1024)
    #expect(volume.files.map(\.path) == ["\(paths[41])/file"])
    #expect(volume.problems.map(\.kind) == [.tooLarge] && volume.problems.map(\.path) == [paths[42]])
  }
}
