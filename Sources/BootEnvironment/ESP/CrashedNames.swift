// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import FATFileSystem
internal import HostSystem

/// Names of this program that a power cut left in a state in which they must not be unlinked: with clusters that
/// another name has as well, or with clusters that are free by the allocation table and may become another file's; and
/// directories of this program or of proxmox-boot-tool that were being made and are there by their names only.
///
/// Names of `loader.conf` count too, which proxmox-boot-tool's hook replaces as sed(1) does it.
///
/// Linux writes the two directory entries of an exchange one after the other, and a file's entry and its clusters apart
/// from each other. Removing such a name as usual would free clusters that another name needs.
package enum CrashedNames {
  /// The names that have to go so that the others are sound.
  ///
  /// Of several names with the same clusters one keeps them. A name whose content the manifest confirms comes first, then
  /// an image or boot loader, then a previous image, then a temporary name. If a foreign file has these clusters as well,
  /// nothing is removed: that is damage.
  ///
  /// `isRight` says whether the manifest knows the file's content for its kernel; it is asked for names that share.
  package static func toRemove(
    in volume: FATVolume, paths: LoaderPath, isRight: (FATFile) throws -> Bool
  ) rethrows -> [FATFile] {
    guard obstacle(in: volume) == nil else { return [] }
    var removed = volume.voidDirectories.filter { isMadeAgain($0.path) }
    var sharing: [FATFile] = []
    for file in volume.files where rank(of: file.path, paths) != nil {
      if isTorn(file.chain) {
        if isMade(file.path, paths) { removed.append(file) }
      } else if !file.sharesWith.isEmpty {
        sharing.append(file)
      }
    }
    // By the clusters that they begin with: names of one exchange have all in common.
    while let file = sharing.first {
      let group = sharing.filter { $0.firstCluster == file.firstCluster }
      sharing.removeAll { $0.firstCluster == file.firstCluster }
      let names = Set((group + removed).map(\.path))
      guard group.count > 1, group.allSatisfy({ names.isSuperset(of: $0.sharesWith) }) else { continue }
      let right = try group.filter(isRight)
      let ranked = (right.isEmpty ? group : right).sorted {
        (rank(of: $0.path, paths) ?? .max, $0.path) < (rank(of: $1.path, paths) ?? .max, $1.path)
      }
      removed += group.filter { $0 != ranked[0] }
    }
    return removed
  }

  /// Whether any name of ours, or all of the volume, is in such a state that unlinking could free what another name needs.
  package static func makeUnlinkingUnsafe(in volume: FATVolume, paths: LoaderPath) -> Bool {
    obstacle(in: volume) != nil || volume.voidDirectories.contains { isMadeAgain($0.path) }
      || volume.files.contains { file in
        rank(of: file.path, paths) != nil && (isTorn(file.chain) || !file.sharesWith.isEmpty)
      }
  }

  /// What makes it unknown who owns which clusters, so that nothing may be repaired; nil if nothing does.
  package static func obstacle(in volume: FATVolume) -> FATProblem? {
    let removable = Set(volume.voidDirectories.map(\.path).filter(isMadeAgain))
    return volume.problems.first { problem in
      // Of two tables Linux and firmware read the first, and so does this.
      if case .tablesDiffer = problem.kind { return false }
      return !removable.contains(problem.path)
    }
  }

  /// A directory that the next run of this program or of proxmox-boot-tool makes where it is not there.
  private static func isMadeAgain(_ path: String) -> Bool {
    let folded = path.lowercased()
    let own = [LoaderPath.directory, UKIName.directory].map { $0.lowercased() }
    return own.contains(folded) || folded.hasPrefix(TypeOneEntry.proxmoxDirectory.lowercased() + "/")
  }

  /// Whether a file can be read at all.
  ///
  /// Clusters behind its end do no harm.
  private static func isTorn(_ chain: FATChain) -> Bool {
    switch chain {
    case .sound, .long: false
    default: true
    }
  }

  /// How much a name of ours matters, 0 the most; nil for a name of others.
  package static func rank(of path: String, _ paths: LoaderPath) -> Int? {
    let directory = PathName(path).directory
    let name = String(PathName(path).fileName)
    if directory.lowercased() == UKIName.directory.lowercased() {
      if let image = UKIName(fileName: name) { return image.isPrevious ? 1 : 0 }
      return name.hasPrefix(".pve-") && TemporaryName.matches(name) ? 2 : nil
    }
    let own = (paths.all + [LoaderConfiguration.path]).map { $0.lowercased() }
    if own.contains(path.lowercased()) { return 0 }
    if isOfSed(directory, name) { return 2 }
    guard TemporaryName.matches(name) else { return nil }
    return own.contains { "\(directory)/\(name)".lowercased().hasPrefix(temporaryPrefix($0)) } ? 2 : nil
  }

  /// Whether it is made by this program or proxmox-boot-tool alone: others write to `EFI/BOOT`, too.
  private static func isMade(_ path: String, _ paths: LoaderPath) -> Bool {
    rank(of: path, paths) == 2 || !path.lowercased().hasPrefix("/efi/boot/")
  }

  /// The name that `sed -i` gives to what it writes for `loader.conf`.
  private static func isOfSed(_ directory: String, _ name: String) -> Bool {
    directory.lowercased() == "/loader" && name.utf8.count == 9 && name.lowercased().hasPrefix("sed")
  }

  private static func temporaryPrefix(_ path: String) -> String {
    PathName.join(PathName(path).directory, ".\(PathName(path).fileName).")
  }
}
