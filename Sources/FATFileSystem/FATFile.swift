// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// A directory entry of a regular file.
///
/// Cluster information is from the allocation table in use.
package struct FATFile: Hashable, Sendable {
  /// The path, such as `/EFI/Linux/pve-6.8.12-4-pve.efi`: the long name if it is valid, otherwise the 8.3 name as Linux
  /// shows it.
  ///
  /// In a damaged directory, two files can have the same path.
  package let path: String
  /// Size in bytes.
  package let size: Int
  /// 0 for an empty file.
  package let firstCluster: UInt32
  package let chain: FATChain
  /// The paths of all files that share a cluster with this one, including its own; empty if no other does.
  let owners: [String]
  /// Whether its directory shares clusters with others.
  let isInSharedDirectory: Bool
  let record: [UInt8]
  let slots: [Int]

  init(_ entry: FATDirectoryEntry, path: String, chain: FATChain, owners: [String], isInSharedDirectory: Bool) {
    self.path = path
    size = entry.size
    firstCluster = entry.firstCluster
    self.chain = chain
    self.owners = owners
    self.isInSharedDirectory = isInSharedDirectory
    record = entry.record
    slots = entry.slots
  }

  /// The paths of the other files and directories that own one of its clusters.
  package var sharesWith: [String] {
    var others = owners
    if let own = others.firstIndex(of: path) { others.remove(at: own) }
    return others
  }

  /// The writes that remove the name and leave the allocation table unchanged, in the required order: the 8.3 entry is
  /// first, because nothing is lost before it, and leftover long-name slots after it are harmless.
  ///
  /// Each is a whole sector of 512 bytes based on the current content of `device`, so that a disk writes it atomically.
  /// Apply them before requesting those of another file. Throws `ParseError` `overlap` if the sector may belong to
  /// another file, `changed` if the name no longer exists.
  package func removal(from device: some RandomAccessBytes) throws -> [FATEdit] {
    guard !isInSharedDirectory else {
      throw ParseError(
        FATVolume.format, at: slots[0], .overlap, "the directory of \(path) shares clusters with other files")
    }
    var edits: [FATEdit] = []
    for slot in slots {
      let offset = slot / FATEdit.size * FATEdit.size
      if edits.last?.offset != offset {
        let sector = try device.readBytes(at: offset, count: FATEdit.size, format: FATVolume.format)
        edits.append(FATEdit(offset: offset, bytes: sector))
      }
      let start = slot - offset
      let found = Array(edits[edits.count - 1].bytes[start..<start + FATDirectoryEntry.slotSize])
      guard slot == slots[0] ? found == record : FATLongName.isPart(found) else {
        throw ParseError(FATVolume.format, at: slot, "changed", "the directory entry of \(path) no longer exists")
      }
      edits[edits.count - 1].bytes[start] = FATDirectoryEntry.deletedMark
    }
    return edits
  }
}

/// Bytes to write to the device of a FAT file system.
package struct FATEdit: Hashable, Sendable {
  /// The smallest unit that disks write atomically.
  package static let size = 512

  package var offset: Int
  package var bytes: [UInt8]
}

/// Whether the cluster chain of a file matches its size.
package enum FATChain: Hashable, Sendable {
  case sound
  /// It leads to a cluster that is marked as free or bad in the allocation table.
  case free(cluster: UInt32)
  case bad(cluster: UInt32)
  /// It leads to an invalid cluster number.
  case outside(cluster: UInt32)
  case loop
  case short(clusters: Int, needed: Int)
  case long(clusters: Int, needed: Int)

  init(_ chain: FATChains.Chain?, needed: Int?) {
    let count = chain?.count ?? 0
    self =
      switch chain?.ending ?? .end {
      case .free(let cluster): .free(cluster: cluster)
      case .bad(let cluster): .bad(cluster: cluster)
      case .outside(let cluster): .outside(cluster: cluster)
      case .loop: .loop
      case .end where count < needed ?? 1: .short(clusters: count, needed: needed ?? 1)
      case .end where count > needed ?? count: .long(clusters: count, needed: needed ?? count)
      case .end: .sound
      }
  }
}

extension FATChain: MessageConvertible {
  /// The predicate of a sentence about the chain.
  package var message: Message {
    switch self {
    case .sound: "is intact"
    case .free(let cluster): "leads to cluster \(cluster), which is free"
    case .bad(let cluster): "leads to cluster \(cluster), which is marked as bad"
    case .outside(let cluster): "leads to cluster \(cluster), which does not exist"
    case .loop: "has a loop"
    case .short(let clusters, let needed): "has \(clusters) clusters but needs \(needed)"
    case .long(let clusters, let needed): "has \(clusters) clusters but needs only \(needed)"
    }
  }
}
