// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// The files of a FAT file system, and whether their clusters are theirs alone.
///
/// A power cut can leave two names with the same clusters, or a name whose clusters are free: Linux writes directories
/// and the allocation table apart from each other.
package struct FATVolume: Sendable {
  package let bootSector: FATBootSector
  /// The regular files of all directories that could be read, in the order of their entries, those of a directory
  /// before those of its subdirectories.
  package let files: [FATFile]
  /// Names of directories whose clusters hold something else, or are free: after a power cut a directory that was being
  /// made can be there by its name only.
  package let voidDirectories: [FATFile]
  /// What may hide files from this view, and with them other owners of clusters; empty for a sound file system.
  package let problems: [FATProblem]
  private let table: FATTable

  static let format = "FAT"

  /// Reads the boot sector, the allocation table and all directories; time and memory are bounded by `FATSurvey.Limit`
  /// and the size of the table.
  ///
  /// Throws `ParseError` if the boot sector or the table cannot be understood, or the device is smaller than its file
  /// system, and what reading it throws.
  package init(parsing device: some RandomAccessBytes) throws {
    let sector = try device.readBytes(at: 0, count: FATBootSector.byteCount, format: Self.format)
    bootSector = try FATBootSector(parsing: sector)
    guard bootSector.size <= device.count else {
      throw ParseError(
        Self.format, at: device.count, .truncated, "\(bootSector.size) bytes wanted, the input has \(device.count)")
    }
    table = try FATTable(of: device, bootSector)
    var survey = FATSurvey(bootSector, table)
    try survey.readDirectories(of: device)
    files = survey.followFiles()
    voidDirectories = survey.voidDirectories()
    problems = survey.problems
    try device.requireUnchanged()
  }

  /// Where the content of a file is, in bytes of the device; nil unless its chain is sound.
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
  /// The byte at which a cluster begins.
  func offset(of cluster: UInt32) -> Int { dataOffset + (Int(cluster) - 2) * clusterSize }
}

/// What is wrong with a directory, or with the file system as a whole.
package struct FATProblem: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// Its chain of clusters; what could be reached was read.
    case chain(FATChain)
    /// Some of its clusters belong to all of these, itself among them. They were read for one directory only.
    case shared(by: [String])
    /// It does not begin with the entries `.` and `..`: its clusters hold something else, and were not read.
    case notADirectory
    /// More than `FATSurvey.Limit` allows, or a path that is longer; the rest was not read.
    case tooLarge
    /// The two copies of the allocation table, first at this byte of the device; the first was taken.
    case tablesDiffer(offset: Int)
    /// Only this copy of the table is kept up, and was taken; Linux looks at the first.
    case otherTable(Int)
  }

  /// The directory; `/` for the file system as a whole.
  package let path: String
  package let kind: Kind
}

extension FATProblem: MessageConvertible {
  package var message: Message {
    switch kind {
    case .chain(let chain): "the chain of clusters of directory \(path) \(chain)"
    case .shared(let owners): "directory \(path) has clusters that belong to more than one: \(Self.list(owners))"
    case .notADirectory: "\(path) is listed as a directory and is none"
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
