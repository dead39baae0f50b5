// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem

/// An EFI System Partition that is mounted, or a directory that will be one.
package struct EFISystemPartition: Hashable, Sendable {
  /// Host path without a slash at the end.
  package let path: String

  /// The directory of type 2 entries of the Boot Loader Specification.
  package var imageDirectory: String { "\(path)/EFI/Linux" }

  /// Where it is looked for, in this order.
  package static let candidates = ["/efi", "/boot/efi", "/boot"]

  /// The one that `Esp=` names, else the first candidate that is one; nil if there is none.
  ///
  /// `Esp=` is taken at its word, so that chroots and images work, but must be a directory: throws
  /// `BootEnvironmentError` otherwise. A candidate must be a mounted FAT file system. In a root other than `/`, where
  /// mounts seldom are, a directory that holds something is enough, for `/boot` one that holds `EFI`.
  package static func find(on host: Host, _ configuration: Configuration) throws -> EFISystemPartition? {
    if let path = configuration.systemPartition {
      guard try host.files.isDirectory(path) else {
        throw BootEnvironmentError(
          path, "it is no directory, but Esp= names it as the EFI System Partition",
          hint: "mount the partition there or correct \(Configuration.path)")
      }
      return EFISystemPartition(path: trimmed(path))
    }
    // Looking into a directory makes automount mount it.
    let listings = try candidates.map { try host.files.list($0 + "/.") }
    let mounts = try host.isRunningSystem ? host.files.mountPoints() : []
    for (path, listing) in zip(candidates, listings) {
      guard let listing else { continue }
      let isThere =
        host.isRunningSystem
        ? mounts.last { $0.path == path }?.fileSystem == "vfat"
        : path == "/boot" ? listing.contains("EFI") : !listing.isEmpty
      if isThere { return EFISystemPartition(path: path) }
    }
    return nil
  }

  private static func trimmed(_ path: String) -> String {
    var path = path
    while path.hasSuffix("/") { path.removeLast() }
    return path
  }
}
