// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Messages

/// Reads the directories of a volume, then follows the chains of its files.
///
/// In this order, a directory is read even if a file claims its clusters as well.
struct FATSurvey {
  /// Limits of a file system, far above those of any boot partition.
  enum Limit {
    static let files = 65_536
    static let directories = 4096
    /// Slots of a directory: the maximum in Linux.
    static let slots = 65_536
    /// Slots of all directories.
    static let allSlots = 1 << 21
    /// UTF-8 bytes of a directory's path.
    static let path = 1024
  }

  private struct Directory {
    /// Without a trailing slash; empty for the root.
    var path: String
    /// Nil for the root directory of FAT12 and FAT16, which has no clusters.
    var firstCluster: UInt32?
    /// Its entry in the parent directory; nil for the root.
    var entry: Found?
    var chain: FATChains.Chain?
    /// Whether its clusters have no directory content.
    var isVoid = false
    var isRoot: Bool { path.isEmpty }
    var shownPath: String { isRoot ? "/" : path }
  }

  private struct Found {
    var entry: FATDirectoryEntry
    var directory: Int
  }

  private(set) var problems: [FATProblem] = []
  private let sector: FATBootSector
  private var chains: FATChains
  /// In the order in which they are read; grows during reading.
  private var directories: [Directory]
  private var found: [Found] = []
  private var slotCount = 0
  /// The files that own clusters of a group of chains.
  private var owners: [Int: [String]] = [:]

  init(_ sector: FATBootSector, _ table: FATTable) {
    self.sector = sector
    chains = FATChains(of: table)
    directories = [Directory(path: "", firstCluster: sector.kind == .fat32 ? sector.rootCluster : nil)]
    if let offset = table.difference { note("/", .tablesDiffer(offset: offset)) }
    if let sole = sector.tables.sole, sole > 0 { note("/", .otherTable(sole)) }
  }

  private mutating func note(_ path: String, _ kind: FATProblem.Kind) {
    let problem = FATProblem(path: path, kind: kind)
    if problem != problems.last { problems.append(problem) }
  }

  /// Reads the root directory and all directories below it.
  ///
  /// Throws errors from reading `device`.
  mutating func readDirectories(of device: some RandomAccessBytes) throws {
    var index = 0
    while index < directories.count {
      try read(index, of: device)
      index += 1
    }
  }

  private mutating func read(_ index: Int, of device: some RandomAccessBytes) throws {
    let directory = directories[index]
    guard let first = directory.firstCluster else {
      let slots = try device.readBytes(at: sector.rootRange.lowerBound, count: sector.rootRange.count, format: "FAT")
      var parser = FATDirectoryParser(sector.kind)
      return add(slots, at: sector.rootRange.lowerBound, of: index, to: &parser)
    }
    let chain = first > 0 ? chains.follow(from: first) : nil
    directories[index].chain = chain
    let state = FATChain(chain, needed: nil)
    if state != .sound { note(directory.shownPath, .chain(state)) }
    guard let chain, chain.count > 0 else {
      directories[index].isVoid = true
      return
    }
    owners[chain.group, default: []].append(directory.shownPath)
    guard directory.path.utf8.count <= Limit.path else { return note(directory.shownPath, .tooLarge) }
    try read(chain.ownCount, clustersFrom: first, of: index, from: device)
  }

  /// Reads the clusters of a directory that no earlier directory owns.
  private mutating func read(
    _ count: Int, clustersFrom first: UInt32, of index: Int, from device: some RandomAccessBytes
  ) throws {
    let directory = directories[index]
    let limit = max(1, Limit.slots * FATDirectoryEntry.slotSize / sector.clusterSize)
    if count > limit { note(directory.shownPath, .tooLarge) }
    var parser = FATDirectoryParser(sector.kind)
    var cluster = first
    for number in 0..<min(count, limit) {
      let offset = sector.offset(of: cluster)
      let slots = try device.readBytes(at: offset, count: sector.clusterSize, format: FATVolume.format)
      guard number > 0 || directory.isRoot || FATDirectoryEntry.beginsDirectory(slots) else {
        directories[index].isVoid = true
        return note(directory.shownPath, .notADirectory)
      }
      slotCount += slots.count / FATDirectoryEntry.slotSize
      guard slotCount <= Limit.allSlots else { return note(directory.shownPath, .tooLarge) }
      add(slots, at: offset, of: index, to: &parser)
      guard case .next(let next) = chains.table[cluster] else { return }
      cluster = next
    }
  }

  /// Adds the entries that end in these slots.
  private mutating func add(_ slots: [UInt8], at offset: Int, of index: Int, to parser: inout FATDirectoryParser) {
    for start in stride(from: 0, to: slots.count, by: FATDirectoryEntry.slotSize) {
      let record = Array(slots[start..<start + FATDirectoryEntry.slotSize])
      guard let entry = parser.add(record, at: offset + start) else { continue }
      if entry.isDirectory, directories.count < Limit.directories {
        let path = "\(directories[index].path)/\(entry.name)"
        directories.append(
          Directory(path: path, firstCluster: entry.firstCluster, entry: Found(entry: entry, directory: index)))
      } else if !entry.isDirectory, found.count < Limit.files {
        found.append(Found(entry: entry, directory: index))
      } else {
        note(directories[index].shownPath, .tooLarge)
      }
    }
  }

  /// Follows the chains of all files.
  ///
  /// Also reports directories that share clusters with others as problems.
  mutating func followFiles() -> [FATFile] {
    let followed = found.map { file in
      let first = file.entry.firstCluster
      let chain = first > 0 ? chains.follow(from: first) : nil
      let path = "\(directories[file.directory].path)/\(file.entry.name)"
      if let chain, chain.count > 0 { owners[chain.group, default: []].append(path) }
      return (file: file, path: path, chain: chain)
    }
    for directory in directories {
      let owners = owners(of: directory.chain)
      if !owners.isEmpty { note(directory.shownPath, .shared(by: owners)) }
    }
    return followed.map { file, path, chain in
      let needed = (file.entry.size + sector.clusterSize - 1) / sector.clusterSize
      return FATFile(
        file.entry, path: path, chain: FATChain(chain, needed: needed), owners: owners(of: chain),
        isInSharedDirectory: !owners(of: directories[file.directory].chain).isEmpty)
    }
  }

  /// Directory entries without a directory; call this after all chains are followed.
  func voidDirectories() -> [FATFile] {
    directories.compactMap { directory in
      guard directory.isVoid, let found = directory.entry else { return nil }
      return FATFile(
        found.entry, path: directory.path, chain: FATChain(directory.chain, needed: nil),
        owners: owners(of: directory.chain),
        isInSharedDirectory: !owners(of: directories[found.directory].chain).isEmpty)
    }
  }

  /// The files that own clusters of a chain; empty if there is only one.
  private func owners(of chain: FATChains.Chain?) -> [String] {
    guard let chain, let owners = owners[chain.group], owners.count > 1 else { return [] }
    return owners
  }
}
