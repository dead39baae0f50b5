// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import FATFileSystem
import Glibc
internal import HostSystem
internal import Messages

package struct FATImageError: Error {
  package var description: String
}

/// The parameters for mkfs.vfat.
package struct FATLayout: Sendable, CustomStringConvertible {
  package var bits: Int
  package var sectorsPerCluster: Int
  package var sectorSize = 512
  package var megabytes: Int
  package var clusterSize: Int { sectorsPerCluster * sectorSize }
  package var description: String { "FAT\(bits), \(sectorsPerCluster) sectors of \(sectorSize) per cluster" }

  package static let fat12 = FATLayout(bits: 12, sectorsPerCluster: 1, megabytes: 1)
  package static let fat16 = FATLayout(bits: 16, sectorsPerCluster: 1, megabytes: 4)
  package static let fat32 = FATLayout(bits: 32, sectorsPerCluster: 1, megabytes: 36)
  package static let large = FATLayout(bits: 16, sectorsPerCluster: 128, megabytes: 300)
  package static let plain = [fat12, fat16, fat32]
  package static let all =
    plain + [
      large, FATLayout(bits: 12, sectorsPerCluster: 8, megabytes: 8),
      FATLayout(bits: 12, sectorsPerCluster: 1, sectorSize: 4096, megabytes: 8),
      FATLayout(bits: 16, sectorsPerCluster: 8, megabytes: 20),
      FATLayout(bits: 16, sectorsPerCluster: 1, sectorSize: 4096, megabytes: 20),
      FATLayout(bits: 32, sectorsPerCluster: 8, megabytes: 264),
      FATLayout(bits: 32, sectorsPerCluster: 1, sectorSize: 4096, megabytes: 300),
    ]
}

/// An image created by mkfs.vfat and filled by mtools, which tests can damage; computes offsets independently.
package final class FATImage: Sendable {
  package let layout: FATLayout
  package let scratch: ScratchFile
  private let sector: [UInt8]

  package init(_ layout: FATLayout) throws {
    self.layout = layout
    scratch = try ScratchFile()
    try ExternalTool("truncate").run(["-s", "\(layout.megabytes)M", scratch.path])
    try ExternalTool("mkfs.vfat").run([
      "-F", "\(layout.bits)", "-s", "\(layout.sectorsPerCluster)", "-S", "\(layout.sectorSize)", "-n", "LABEL",
      scratch.path,
    ])
    sector = try FileSystem().openFile(scratch.path).readBytes(at: 0, count: 512, format: "test")
  }

  /// The image in its current state.
  package func device() throws -> some RandomAccessBytes { try FileSystem().openFile(scratch.path) }
  package func volume() throws -> FATVolume { try FATVolume(parsing: device()) }

  /// Runs a program of mtools, with names in UTF-8.
  @discardableResult
  package func mtools(_ name: String, _ arguments: [String], input: [UInt8] = []) throws -> [UInt8] {
    try ExternalTool("env").run(["LC_ALL=C.UTF-8", name, "-i", scratch.path] + arguments, input: input)
  }

  package func makeDirectories(_ paths: [String]) throws { try mtools("mmd", paths.map { "::\($0)" }) }

  package func write(_ path: String, _ content: [UInt8]) throws {
    let file = try ScratchFile(content)
    try mtools("mcopy", ["-D", "o", file.path, "::\(path)"])
  }

  package func content(of path: String) throws -> [UInt8] { try mtools("mcopy", ["::\(path)", "-"]) }

  /// All files without directories, sorted.
  package func listing() throws -> [String] {
    let text = String(decoding: try mtools("mdir", ["-b", "-a", "-/", "::/"]), as: UTF8.self)
    return text.split(separator: "\n").map { String($0.dropFirst(2)) }.filter { !$0.hasSuffix("/") }.sorted()
  }

  /// The clusters of a file from the output of mshowfat, such as `<5-7> <9>`.
  package func clusters(of path: String) throws -> [Int] {
    let text = String(decoding: try mtools("mshowfat", ["::\(path)"]), as: UTF8.self)
    let ranges = text.split(separator: "<").dropFirst().map { $0.prefix { $0 != ">" }.split(separator: "-") }
    return ranges.flatMap { range -> [Int] in
      let ends = range.compactMap { Int($0) }
      return ends.isEmpty ? [] : Array(ends[0]...ends[ends.count - 1])
    }
  }

  /// The output of fsck.vfat without repairs.
  package func check() throws -> String {
    let result = try ExternalTool("fsck.vfat").result(["-n", "-l", scratch.path])
    return result.text + result.errors
  }

  /// Repairs the image with fsck.vfat.
  package func repair() throws {
    let status = try ExternalTool("fsck.vfat").result(["-a", scratch.path]).status
    let left = try ExternalTool("fsck.vfat").result(["-n", scratch.path])
    guard status < 2, left.status == 0 else { throw FATImageError(description: left.text) }
  }

  // MARK: Damage

  /// Makes the next file on FAT32 use the first free clusters (FSI_Nxt_Free), as on FAT12 and FAT16.
  package func reuseClusters() throws {
    if layout.bits == 32 { try write([2, 0, 0, 0], at: layout.sectorSize + 492) }
  }

  package func write(_ bytes: [UInt8], at offset: Int) throws {
    guard let stream = fopen(scratch.path, "r+") else { throw FATImageError(description: "cannot open image") }
    defer { fclose(stream) }
    guard fseek(stream, offset, SEEK_SET) == 0, fwrite(bytes, 1, bytes.count, stream) == bytes.count else {
      throw FATImageError(description: "cannot write image")
    }
  }

  package func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    try device().readBytes(at: offset, count: count, format: "test")
  }

  package func apply(_ edits: [FATEdit]) throws {
    for edit in edits { try write(edit.bytes, at: edit.offset) }
  }

  private func field(_ offset: Int, _ size: Int) -> Int {
    (0..<size).reversed().reduce(0) { $0 << 8 | Int(sector[offset + $1]) }
  }

  package var tableSize: Int { (field(22, 2) > 0 ? field(22, 2) : field(36, 4)) * layout.sectorSize }
  package func tableOffset(_ copy: Int) -> Int { field(14, 2) * layout.sectorSize + copy * tableSize }

  package func offset(ofCluster cluster: Int) -> Int {
    tableOffset(2) + field(17, 2) * 32 + (cluster - 2) * layout.clusterSize
  }

  package var clusterCount: Int {
    let sectors = field(19, 2) > 0 ? field(19, 2) : field(32, 4)
    return (sectors * layout.sectorSize - offset(ofCluster: 2)) / layout.clusterSize
  }

  /// The values of an entry that ends a chain and of one for a bad cluster.
  package var end: Int { [12: 0xfff, 16: 0xffff, 32: 0xfff_ffff][layout.bits] ?? 0 }
  package var bad: Int { end - 8 }

  /// Sets an entry of the allocation table in both copies or in one.
  package func setEntry(_ cluster: Int, _ value: Int, copies: [Int] = [0, 1]) throws {
    for copy in copies {
      let start = tableOffset(copy) + cluster * layout.bits / 8
      let width = layout.bits == 32 ? 4 : 2
      var old = try bytes(at: start, count: width).reversed().reduce(0) { $0 << 8 | Int($1) }
      switch (layout.bits, cluster.isMultiple(of: 2)) {
      case (12, true): old = old & 0xf000 | value
      case (12, false): old = old & 0xf | value << 4
      default: old = value
      }
      try write((0..<width).map { UInt8(truncatingIfNeeded: old >> (8 * $0)) }, at: start)
    }
  }

  /// The offset of the only 8.3 entry with this name, such as `NEW     EFI`.
  package func entryOffset(_ name: String) throws -> Int {
    let text = String(
      decoding: try ExternalTool("grep").run(["-obaF", name, scratch.path]), as: UTF8.self)
    guard let offset = text.split(separator: ":").first.flatMap({ Int($0) }) else {
      throw FATImageError(description: "no entry \(name)")
    }
    return offset
  }

  /// Changes the first cluster of an entry, and its size unless that is nil.
  package func point(_ name: String, to cluster: Int, size: Int? = nil) throws {
    let start = try entryOffset(name)
    try write([UInt8(cluster & 0xff), UInt8(cluster >> 8 & 0xff)], at: start + 26)
    if layout.bits == 32 { try write([UInt8(cluster >> 16 & 0xff), UInt8(cluster >> 24)], at: start + 20) }
    if let size { try write((0..<4).map { UInt8(size >> (8 * $0) & 0xff) }, at: start + 28) }
  }
}

extension FATVolume {
  package func file(_ path: String) throws -> FATFile {
    guard let file = files.first(where: { $0.path == path }) else {
      throw FATImageError(description: "\(path) not found in \(files.map(\.path))")
    }
    return file
  }

  package func content(of file: FATFile, in device: some RandomAccessBytes) throws -> [UInt8]? {
    try extents(of: file).map { extents in
      try extents.flatMap { try device.readBytes(at: $0.lowerBound, count: $0.count, format: "test") }
    }
  }
}

/// Pseudo-random bytes, different for each seed.
package func pattern(_ count: Int, _ seed: UInt32) -> [UInt8] {
  var state = seed &* 2_654_435_761 | 1
  return (0..<count).map { _ in
    state ^= state << 13
    state ^= state >> 17
    state ^= state << 5
    return UInt8(truncatingIfNeeded: state >> 8)
  }
}
