// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import FATFileSystem
internal import HostSystem

/// Files of pve-sb-uki that a power cut left in a state in which a normal unlink would be unsafe.
///
/// Their clusters also belong to another file, or are free in the allocation table and may be given to another file.
/// This includes directories of pve-sb-uki or proxmox-boot-tool of which only the name was written, and temporary files
/// of `loader.conf`, which Proxmox's hook replaces with sed(1).
///
/// Linux writes the two directory entries of an exchange one after the other, and the entry of a file separately from
/// its clusters. A normal unlink of such a file would free clusters that another file needs.
package enum CrashLeftovers {
  /// The files to remove so that the other files are intact.
  ///
  /// If several files have the same clusters, one keeps them: preferably a file whose content the manifest confirms,
  /// then a UKI or boot loader, then a previous UKI, then a temporary file. If a foreign file also has these clusters,
  /// the file system is damaged and nothing is removed.
  ///
  /// `isRight` says whether the manifest confirms the content of the file for its kernel; it is called for files that
  /// share clusters. Throws what `isRight` throws.
  package static func toRemove(
    in volume: FATVolume, paths: LoaderPath, isRight: (FATFile) throws -> Bool
  ) rethrows -> [FATFile] {
    guard blockingProblem(in: volume) == nil else { return [] }
    var removed = volume.voidDirectories.filter { isRecreated($0.path) }
    var sharing: [FATFile] = []
    for file in volume.files where rank(of: file.path, paths) != nil {
      if isUnreadable(file.chain) {
        if isMade(file.path, paths) { removed.append(file) }
      } else if !file.sharesWith.isEmpty {
        sharing.append(file)
      }
    }
    // Group by the first cluster: the files of an exchange share all clusters.
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

  /// Whether a normal unlink could free clusters that another file needs.
  package static func makeUnlinkingUnsafe(in volume: FATVolume, paths: LoaderPath) -> Bool {
    blockingProblem(in: volume) != nil || volume.voidDirectories.contains { isRecreated($0.path) }
      || volume.files.contains { file in
        rank(of: file.path, paths) != nil && (isUnreadable(file.chain) || !file.sharesWith.isEmpty)
      }
  }

  /// A problem that makes the owner of a cluster uncertain, so that repairs are unsafe; nil if there is none.
  package static func blockingProblem(in volume: FATVolume) -> FATProblem? {
    let removable = Set(volume.voidDirectories.map(\.path).filter(isRecreated))
    return volume.problems.first { problem in
      // Linux, firmware and pve-sb-uki read the first of the two tables.
      if case .tablesDiffer = problem.kind { return false }
      return !removable.contains(problem.path)
    }
  }

  /// Whether pve-sb-uki or proxmox-boot-tool recreates the directory in its next run.
  private static func isRecreated(_ path: String) -> Bool {
    let folded = path.lowercased()
    let own = [LoaderPath.directory, UKIName.directory].map { $0.lowercased() }
    return own.contains(folded) || folded.hasPrefix(TypeOneEntry.proxmoxDirectory.lowercased() + "/")
  }

  /// Whether the file cannot be read completely.
  ///
  /// Clusters after its end do no harm.
  private static func isUnreadable(_ chain: FATChain) -> Bool {
    switch chain {
    case .sound, .long: false
    default: true
    }
  }

  /// The importance of a pve-sb-uki file, 0 is the highest; nil for foreign files.
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

  /// Whether only pve-sb-uki or proxmox-boot-tool makes such a file: other programs also write to `EFI/BOOT`.
  private static func isMade(_ path: String, _ paths: LoaderPath) -> Bool {
    rank(of: path, paths) == 2 || !path.lowercased().hasPrefix("/efi/boot/")
  }

  /// Whether it is a temporary file that `sed -i` made for `loader.conf`.
  private static func isOfSed(_ directory: String, _ name: String) -> Bool {
    directory.lowercased() == "/loader" && name.utf8.count == 9 && name.lowercased().hasPrefix("sed")
  }

  private static func temporaryPrefix(_ path: String) -> String {
    PathName.join(PathName(path).directory, ".\(PathName(path).fileName).")
  }
}
