// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import EFIData
package import HostSystem

/// Work that hooks deferred to the end of an apt transaction, in `/var/lib/pve-sb-uki/pending` until a run succeeds.
///
/// A leftover file means that a transaction was killed before its end.
///
/// Format: seconds since 1970, then one kernel release per line.
package struct PendingWork: Hashable, Sendable {
  /// Seconds since 1970.
  package var time: Int64
  /// Kernels that were configured and must have a UKI at the end.
  ///
  /// May be empty.
  package var releases: [String]

  package static let path = "/var/lib/pve-sb-uki/pending"
  /// More kernels than any host has; limits both reading and writing.
  private static let releaseLimit = 256

  package init(time: Int64, releases: [String] = []) {
    self.time = time
    self.releases = releases
  }

  /// Records pending work, for `release` if that is a valid kernel release.
  ///
  /// Writes nothing if it is already recorded. Throws `HostError`.
  package static func note(_ release: String?, at time: Int64, in files: FileSystem) throws {
    let known = try load(from: files)
    var work = known ?? PendingWork(time: time)
    if let kernel = release.flatMap({ Kernel(release: $0) }), !work.releases.contains(kernel.release),
      work.releases.count < releaseLimit
    {
      work.releases.append(kernel.release)
    }
    guard work != known else { return }
    try files.makeDirectory("/var/lib/pve-sb-uki")
    let lines = ["\(work.time)"] + work.releases
    try files.replaceFile(path, content: Array((lines.joined(separator: "\n") + "\n").utf8))
  }

  /// Loads the pending work of a host; nil if nothing is pending.
  ///
  /// Throws `HostError`.
  package static func load(from files: FileSystem) throws -> PendingWork? {
    guard let text = try files.readTextIfPresent(path) else { return nil }
    let lines = text.split(separator: "\n")
    let releases = lines.dropFirst().prefix(releaseLimit).compactMap { Kernel(release: $0)?.release }
    return PendingWork(time: lines.first.flatMap { EFITime.unixSeconds(parsing: $0) } ?? 0, releases: releases)
  }

  /// Removes the record if it exists.
  ///
  /// Throws `HostError`.
  package static func clear(from files: FileSystem) throws { try files.remove(path) }
}
