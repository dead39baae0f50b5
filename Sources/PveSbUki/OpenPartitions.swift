// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem

/// The partitions of one run: all are open for reading while it is planned, and at most one is open for writing. A power
/// cut then leaves at most one that was not unmounted.
final class OpenPartitions {
  private let host: Host
  private var partitions: [String: EFISystemPartition] = [:]
  private var files: [String: FileSystem] = [:]

  init(_ host: Host) { self.host = host }

  /// The partition, open for reading; nil if it never was.
  func files(of name: String) -> FileSystem? {
    if let opened = files[name] { return opened }
    return partitions[name].flatMap { try? openForReading($0) }
  }

  @discardableResult
  func openForReading(_ partition: EFISystemPartition) throws -> FileSystem {
    let opened = try partition.open(on: host, for: .reading)
    partitions[partition.name] = partition
    files[partition.name] = opened
    return opened
  }

  /// Has `body` write to a partition, which is unmounted and on disk when it returns. `body` must not keep its files.
  func write<Value>(to partition: EFISystemPartition, _ body: (FileSystem) throws -> Value) throws -> Value {
    // A mount for reading would be in the way of one for writing.
    files[partition.name] = nil
    let opened = try partition.open(on: host, for: .writing)
    files[partition.name] = opened
    defer { files[partition.name] = nil }
    return try body(opened)
  }

  /// Gives up a partition, so that others can have it for themselves.
  func close(_ name: String) { files[name] = nil }
}
