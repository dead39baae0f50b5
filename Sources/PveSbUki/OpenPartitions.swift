// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem

/// The partitions of one run that are open: all for reading while it is planned, then those that change for writing.
final class OpenPartitions {
  private let host: Host
  private var files: [String: FileSystem] = [:]
  private var writable: Set<String> = []

  init(_ host: Host) { self.host = host }

  /// The partition as it was opened last; nil if it could not be.
  func files(of name: String) -> FileSystem? { files[name] }

  func openForReading(_ partition: EFISystemPartition) throws -> FileSystem {
    let opened = try partition.open(on: host, for: .reading)
    files[partition.name] = opened
    return opened
  }

  func openForWriting(_ partition: EFISystemPartition) throws -> FileSystem {
    if writable.contains(partition.name), let opened = files[partition.name] { return opened }
    // A mount for reading would be in the way of one for writing.
    files[partition.name] = nil
    let opened = try partition.open(on: host, for: .writing)
    files[partition.name] = opened
    writable.insert(partition.name)
    return opened
  }
}
