// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
internal import Messages

extension EFISystemPartition {
  package struct Survey: Hashable, Sendable {
    package var partitions: [EFISystemPartition] = []
    package var problems: [PartitionProblem] = []

    package init() {}
  }

  /// Where a mounted one is looked for, in this order.
  package static let candidates = ["/efi", "/boot/efi", "/boot"]

  /// The directory that `Esp=` names, else all that proxmox-boot-tool lists, else the first candidate that is one.
  ///
  /// `Esp=` is taken at its word, so that chroots and images work, but must be a directory: throws
  /// `BootEnvironmentError` otherwise. What is listed and cannot be used becomes a problem, which hides none of the
  /// others. A candidate must be a mounted FAT file system. In a root other than `/`, where mounts and devices seldom
  /// are, a candidate that holds something is enough, for `/boot` one that holds `EFI`, and a directory
  /// `/dev/disk/by-uuid/SERIAL` stands for the partition of that number, mounted.
  package static func survey(on host: Host, _ configuration: Configuration) throws -> Survey {
    var survey = Survey()
    if let path = try configured(on: host, configuration) {
      survey.partitions = [try mounted(at: path, on: host)]
    } else {
      try survey.addListed(on: host)
      if survey == Survey(), let path = try candidate(on: host) {
        survey.partitions = [try mounted(at: path, on: host)]
      }
    }
    return survey
  }

  private static func configured(on host: Host, _ configuration: Configuration) throws -> String? {
    guard var path = configuration.systemPartition else { return nil }
    guard try host.files.isDirectory(path) else {
      throw BootEnvironmentError(
        path, "it is no directory, but Esp= names it as the EFI System Partition",
        hint: "mount the partition there or correct \(Configuration.path)")
    }
    while path.hasSuffix("/") { path.removeLast() }
    // Looking into a directory makes automount mount it.
    _ = try? host.files.list(path + "/.")
    return path
  }

  private static func candidate(on host: Host) throws -> String? {
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

  /// The partition whose root is mounted at `path`, or just that directory.
  private static func mounted(at path: String, on host: Host) throws -> EFISystemPartition {
    guard host.isRunningSystem, let mount = try host.files.mountPoints().last(where: { $0.path == path }),
      mount.root == "/", mount.source.hasPrefix("/dev/")
    else { return EFISystemPartition(source: .directory(path)) }
    do {
      let facts = try host.partitions.facts(device: mount.source)
      // The name may lead to another device by now.
      guard facts.number == mount.device else { return EFISystemPartition(source: .directory(path)) }
      return EFISystemPartition(
        source: .directory(path), location: facts.location, locationNote: facts.locationNote, device: mount.source)
    } catch {
      return EFISystemPartition(source: .directory(path), locationNote: Message(error))
    }
  }
}
