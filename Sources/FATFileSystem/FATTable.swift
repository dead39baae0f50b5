// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Messages

/// The file allocation table, with the next cluster of each ("FAT32 File System Specification 1.03", FAT Data
/// Structure).
struct FATTable: Sendable {
  enum Entry: Hashable {
    case next(UInt32)
    case end
    case free
    case bad
    /// A number without a cluster.
    case outside(UInt32)
  }

  /// The numbers of the existing clusters.
  let clusters: Range<UInt32>
  /// Offset on the device of the first difference between the copies; nil if they are equal or may differ.
  let difference: Int?
  private let kind: FATBootSector.Kind
  private let bytes: [UInt8]

  /// In bytes; enough for 16 million clusters.
  private static let sizeLimit = 64 << 20
  private static let format = "FAT"

  /// Reads the table in use.
  ///
  /// Throws `range` for a table that is too large or missing, and errors from reading.
  init(of device: some RandomAccessBytes, _ sector: FATBootSector) throws {
    kind = sector.kind
    clusters = 2..<UInt32(sector.clusterCount + 2)
    let tables = sector.tables
    let size = ((sector.clusterCount + 2) * kind.bits + 7) / 8
    guard size <= Self.sizeLimit else {
      throw ParseError(Self.format, at: tables.offset, .range, "the table of \(size) bytes is too large")
    }
    let active = tables.sole ?? 0
    guard active < tables.count else {
      throw ParseError(Self.format, at: 40, .range, "table \(active) is in use, but only \(tables.count) exist")
    }
    bytes = try device.readBytes(at: tables.offset + active * tables.size, count: size, format: Self.format)
    difference = tables.sole == nil ? try Self.difference(from: bytes, of: device, tables: tables) : nil
  }

  /// Compares the second table with `first`; no program uses any other.
  private static func difference(
    from first: [UInt8], of device: some RandomAccessBytes, tables: FATBootSector.Tables
  ) throws -> Int? {
    guard tables.count > 1 else { return nil }
    let (start, step) = (tables.offset + tables.size, 64 << 10)
    for offset in stride(from: 0, to: first.count, by: step) {
      let part = first[offset..<min(first.count, offset + step)]
      let copy = try device.readBytes(at: start + offset, count: part.count, format: format)
      guard part != copy[...] else { continue }
      return zip(part.indices, zip(part, copy)).first { $1.0 != $1.1 }.map { start + $0.0 }
    }
    return nil
  }

  /// The entry of an existing cluster.
  subscript(cluster: UInt32) -> Entry {
    let value = value(of: Int(cluster))
    let last: UInt32 =
      switch kind {
      case .fat12: 0xfff
      case .fat16: 0xffff
      case .fat32: 0xfff_ffff
      }
    return switch value {
    case 0: .free
    case clusters: .next(value)
    case last - 8: .bad
    case last - 7...last: .end
    default: .outside(value)
    }
  }

  /// Two entries of FAT12 share three bytes; the upper four bits of a FAT32 entry are reserved.
  private func value(of index: Int) -> UInt32 {
    switch kind {
    case .fat12:
      let start = index + index / 2
      let pair = UInt32(bytes[start]) | UInt32(bytes[start + 1]) << 8
      return index.isMultiple(of: 2) ? pair & 0xfff : pair >> 4
    case .fat16:
      return UInt32(bytes[2 * index]) | UInt32(bytes[2 * index + 1]) << 8
    case .fat32:
      return (0..<4).reduce(0) { $0 | UInt32(bytes[4 * index + $1]) << UInt32(8 * $1) } & 0xfff_ffff
    }
  }
}

/// The cluster chains of a table and the clusters they share.
///
/// Each cluster is visited once, however many chains lead to it: chains that meet are identical from there on. So all
/// chains that meet share their last cluster and form one group.
struct FATChains {
  enum Ending: Hashable {
    case end
    /// The cluster that the chain leads to but does not own.
    case free(UInt32)
    case bad(UInt32)
    case outside(UInt32)
    case loop
  }

  struct Chain {
    /// Number of clusters up to its end, or up to the first repeated one.
    var count: Int
    /// How many of them, from the first on, belong to no earlier chain.
    var ownCount: Int
    var ending: Ending
    /// The number of its group: equal for chains that share clusters.
    var group: Int
  }

  let table: FATTable
  private var chains: [Chain] = []
  /// By cluster number: the first chain that has the cluster, counted from 1, and the position in it.
  private var owners: [UInt32]
  private var positions: [UInt32]

  init(of table: FATTable) {
    self.table = table
    owners = Array(repeating: 0, count: Int(table.clusters.upperBound))
    positions = owners
  }

  /// Follows the chain that starts with cluster `first`.
  mutating func follow(from first: UInt32) -> Chain {
    let number = UInt32(chains.count + 1)
    var chain = Chain(count: 0, ownCount: 0, ending: .end, group: chains.count)
    var entry = FATTable.Entry.next(first)
    while case .next(let cluster) = entry {
      guard table.clusters.contains(cluster) else {
        entry = .outside(cluster)
        break
      }
      if owners[Int(cluster)] > 0 {
        meet(cluster, &chain)
        chains.append(chain)
        return chain
      }
      entry = table[cluster]
      if entry == .free { chain.ending = .free(cluster) }
      if entry == .bad { chain.ending = .bad(cluster) }
      if entry == .free || entry == .bad { break }
      owners[Int(cluster)] = number
      positions[Int(cluster)] = UInt32(chain.ownCount)
      chain.ownCount += 1
    }
    if case .outside(let value) = entry { chain.ending = .outside(value) }
    chain.count = chain.ownCount
    chains.append(chain)
    return chain
  }

  /// Ends `chain` at a cluster that it or an earlier chain already has.
  private func meet(_ cluster: UInt32, _ chain: inout Chain) {
    let owner = Int(owners[Int(cluster)]) - 1
    guard owner < chains.count else {
      chain.count = chain.ownCount
      chain.ending = .loop
      return
    }
    chain.count = chain.ownCount + chains[owner].count - Int(positions[Int(cluster)])
    chain.ending = chains[owner].ending
    chain.group = chains[owner].group
  }
}
