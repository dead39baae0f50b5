// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// The files of a FAT file system, and whether they share clusters.
///
/// A power cut can leave two names with the same clusters, or a name whose clusters are free, because Linux writes
/// directories and the allocation table separately.
package struct FATVolume: Sendable {
  package let bootSector: FATBootSector
  /// The regular files of all readable directories in the order of their entries, those of a directory before those of
  /// its subdirectories.
  package let files: [FATFile]
  /// Entries of directories whose clusters are free or contain something else: a power cut can leave a new directory
  /// with its name only.
  package let voidDirectories: [FATFile]
  /// Problems that may hide files, and with them other owners of clusters; empty for an intact file system.
  package let problems: [FATProblem]
  private let table: FATTable

  static let format = "FAT"

  /// Reads the boot sector, the allocation table and all directories; time and memory are limited by `FATSurvey.Limit`
  /// and the size of the table.
  ///
  /// Throws `ParseError` if the boot sector or the table is invalid or the device is smaller than the file system, and
  /// errors from reading.
  package init(parsing device: some RandomAccessBytes) throws {
    let sector = try device.readBytes(at: 0, count: FATBootSector.byteCount, format: Self.format)
    bootSector = try FATBootSector(parsing: sector)
    guard bootSector.size <= device.count else {
      throw ParseError(
        Self.format, at: device.count, .truncated, "expected \(bootSector.size) bytes, the input has \(device.count)")
    }
    table = try FATTable(of: device, bootSector)
    var survey = FATSurvey(bootSector, table)
    try survey.readDirectories(of: device)
    files = survey.followFiles()
    voidDirectories = survey.voidDirectories()
    problems = survey.problems
    try device.requireUnchanged()
  }

  /// The byte ranges of a file's content on the device; nil unless its chain is sound.
  package func extents(of file: FATFile) -> [Range<Int>]? {
    guard file.chain == .sound else { return nil }
    var extents: [Range<Int>] = []
    var left = file.size
    var entry = FATTable.Entry.next(file.firstCluster)
    while left > 0, case .next(let cluster) = entry {
      let start = bootSector.offset(of: cluster)
      let end = start + min(left, bootSector.clusterSize)
      if let last = extents.last, last.upperBound == start {
        extents[extents.count - 1] = last.lowerBound..<end
      } else {
        extents.append(start..<end)
      }
      left -= end - start
      entry = table[cluster]
    }
    return extents
  }
}

extension FATBootSector {
  /// The first byte of a cluster.
  func offset(of cluster: UInt32) -> Int { dataOffset + (Int(cluster) - 2) * clusterSize }
}

/// A problem of a directory or of the whole file system.
package struct FATProblem: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// Its cluster chain is damaged; the reachable part was read.
    case chain(FATChain)
    /// Some of its clusters belong to all of these, including itself. They were read for one directory only.
    case shared(by: [String])
    /// It does not start with the entries `.` and `..`: its clusters contain something else and were not read.
    case notADirectory
    /// It exceeds `FATSurvey.Limit`, or its path does; the rest was not read.
    case tooLarge
    /// The two copies of the allocation table differ, first at this byte of the device; the first copy was used.
    case tablesDiffer(offset: Int)
    /// Only this copy of the table is updated, and it was used; Linux uses the first.
    case otherTable(Int)
  }

  /// The directory; `/` for the whole file system.
  package let path: String
  package let kind: Kind
}

extension FATProblem: MessageConvertible {
  package var message: Message {
    switch kind {
    case .chain(let chain): "the cluster chain of directory \(path) \(chain)"
    case .shared(let owners): "directory \(path) has clusters with several owners: \(Self.list(owners))"
    case .notADirectory: "\(path) is listed as a directory but is not one"
    case .tooLarge: "directory \(path) is too large"
    case .tablesDiffer(let offset): "the two allocation tables differ at byte \(offset)"
    case .otherTable(let number): "allocation table \(number) is in use instead of the first"
    }
  }

  private static func list(_ paths: [String]) -> String {
    let limit = 3
    return paths.prefix(limit).joined(separator: ", ") + (paths.count > limit ? ", …" : "")
  }
}
