// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// A name of a regular file.
///
/// What it says of clusters is as the allocation table in use has it.
package struct FATFile: Hashable, Sendable {
  /// Such as `/EFI/Linux/pve-6.8.12-4-pve.efi`: the long name where there is a valid one, else the 8.3 name as Linux
  /// shows it.
  ///
  /// Two files can have the same in a damaged directory.
  package let path: String
  /// Bytes.
  package let size: Int
  /// 0 for an empty file.
  package let firstCluster: UInt32
  package let chain: FATChain
  /// The paths of all that have a cluster in common with it, itself included; empty if no other has.
  let owners: [String]
  /// Whether the directory that it is in has clusters that others own as well.
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

  /// The paths of the other files, and of directories, that own one of its clusters.
  package var sharesWith: [String] {
    var others = owners
    if let own = others.firstIndex(of: path) { others.remove(at: own) }
    return others
  }

  /// The writes that make the name disappear and leave the allocation table as it is, to be made in this order: the 8.3
  /// entry goes first, since before it nothing is lost, and after it long-name slots that are left over do no harm.
  ///
  /// Each is a whole sector of 512 bytes as `device` has it now, so that a disk makes it at once or not at all; it is
  /// to be made before another file's are asked for. Throws `ParseError` `overlap` if the sector could be a part of
  /// what another name owns, `changed` if the name is no longer there.
  package func removal(from device: some RandomAccessBytes) throws -> [FATEdit] {
    guard !isInSharedDirectory else {
      throw ParseError(
        FATVolume.format, at: slots[0], .overlap, "the directory of \(path) has clusters that others own as well")
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
        throw ParseError(FATVolume.format, at: slot, "changed", "the entry of \(path) is not there any more")
      }
      edits[edits.count - 1].bytes[start] = FATDirectoryEntry.deletedMark
    }
    return edits
  }
}

/// Bytes to be written to the device of a FAT file system.
package struct FATEdit: Hashable, Sendable {
  /// The least that disks write at once.
  package static let size = 512

  package var offset: Int
  package var bytes: [UInt8]
}

/// Whether the clusters of a file are those that its size needs.
package enum FATChain: Hashable, Sendable {
  case sound
  /// It leads to a cluster that the allocation table has as free, or as bad.
  case free(cluster: UInt32)
  case bad(cluster: UInt32)
  /// It leads to a number that no cluster has.
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
  /// The rest of a sentence about the chain.
  package var message: Message {
    switch self {
    case .sound: "is sound"
    case .free(let cluster): "leads to cluster \(cluster), which is free"
    case .bad(let cluster): "leads to cluster \(cluster), which is marked as bad"
    case .outside(let cluster): "leads to cluster \(cluster), which does not exist"
    case .loop: "leads back into itself"
    case .short(let clusters, let needed): "has \(clusters) clusters where \(needed) are needed"
    case .long(let clusters, let needed): "has \(clusters) clusters where \(needed) are enough"
    }
  }
}
