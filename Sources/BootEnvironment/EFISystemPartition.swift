// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import EFIData
package import HostSystem

/// An EFI System Partition, or a directory that will be one.
package struct EFISystemPartition: Hashable, Sendable {
  package enum Source: Hashable, Sendable {
    /// A host path without a slash at the end.
    case directory(String)
    /// A volume serial number in `proxmox-boot-uuids`.
    case listed(String)
  }

  package enum Access: Sendable { case reading, writing }

  package let source: Source
  /// Where it stands in a partition table; nil if it is no partition, so that no boot entry can lead to it.
  package let location: PartitionLocation?

  /// Its volume serial number as in `proxmox-boot-uuids`, or the path where it is mounted.
  package var name: String {
    switch source {
    case .directory(let path): path
    case .listed(let serial): serial
    }
  }

  /// Where it is looked for, in this order.
  package static let candidates = ["/efi", "/boot/efi", "/boot"]
  package static let listPath = "/etc/kernel/proxmox-boot-uuids"

  /// One that was to be there and cannot be used.
  package struct Problem: Hashable, Sendable {
    package var name: String
    /// As a sentence.
    package var description: String
    package var hint: String?
  }

  package struct Survey: Hashable, Sendable {
    package var partitions: [EFISystemPartition] = []
    package var problems: [Problem] = []
  }

  /// The one that `Esp=` names, else those that Proxmox lists, else the first candidate that is one.
  ///
  /// `Esp=` is taken at its word, so that chroots and images work, but must be a directory: throws
  /// `BootEnvironmentError` otherwise. A candidate must be a mounted FAT file system. In a root other than `/`, where
  /// mounts seldom are, a directory that holds something is enough, for `/boot` one that holds `EFI`.
  package static func survey(on host: Host, _ configuration: Configuration) throws -> Survey {
    var survey = Survey()
    if let path = configuration.systemPartition {
      guard try host.files.isDirectory(path) else {
        throw BootEnvironmentError(
          path, "it is no directory, but Esp= names it as the EFI System Partition",
          hint: "mount the partition there or correct \(Configuration.path)")
      }
      survey.partitions.append(EFISystemPartition(source: .directory(trimmed(path)), location: nil))
      return survey
    }
    for line in try host.files.readTextIfPresent(listPath)?.split(separator: "\n") ?? [] {
      let partition = EFISystemPartition(source: .listed(String(line)), location: nil)
      if try host.files.isDirectory(partition.path) {
        survey.partitions.append(partition)
      } else {
        survey.problems.append(Problem(name: partition.name, description: "there is no \(partition.path)"))
      }
    }
    if survey == Survey(), let path = try mounted(on: host) {
      survey.partitions.append(EFISystemPartition(source: .directory(path), location: nil))
    }
    return survey
  }

  /// The partition's files, with its root directory as theirs.
  package func open(on host: Host, for access: Access) throws -> FileSystem { try host.files.subtree(path) }

  private var path: String {
    switch source {
    case .directory(let path): path
    case .listed(let serial): "/dev/disk/by-uuid/\(serial)"
    }
  }

  private static func mounted(on host: Host) throws -> String? {
    // Looking into a directory makes automount mount it.
    let listings = try candidates.map { try host.files.list($0 + "/.") }
    let mounts = try host.isRunningSystem ? host.files.mountPoints() : []
    for (path, listing) in zip(candidates, listings) {
      guard let listing else { continue }
      let isThere =
        host.isRunningSystem
        ? mounts.last { $0.path == path }?.fileSystem == "vfat"
        : path == "/boot" ? listing.contains("EFI") : !listing.isEmpty
      if isThere { return path }
    }
    return nil
  }

  private static func trimmed(_ path: String) -> String {
    var path = path
    while path.hasSuffix("/") { path.removeLast() }
    return path
  }
}
