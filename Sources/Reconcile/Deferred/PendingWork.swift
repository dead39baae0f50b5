// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem

/// What hooks put off until the end of an apt transaction, in `/var/lib/pve-sb-uki/pending` until a run succeeds.
///
/// One that is found later tells of a transaction that was killed before its end.
///
/// Text: seconds since 1970, then a kernel's release a line.
package struct PendingWork: Hashable, Sendable {
  /// Seconds since 1970.
  package var time: Int64
  /// Kernels that were configured and must end with an image.
  ///
  /// There may be work without any.
  package var releases: [String]

  package static let path = "/var/lib/pve-sb-uki/pending"
  /// No host has as many kernels; what is written is what is read again.
  private static let releaseLimit = 256

  package init(time: Int64, releases: [String] = []) {
    self.time = time
    self.releases = releases
  }

  /// Remembers that there is work, for `release` if it is that of a kernel.
  ///
  /// Nothing is written if that is known.
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

  /// What is put off on a host; nil if nothing is.
  package static func load(from files: FileSystem) throws -> PendingWork? {
    guard let text = try files.readTextIfPresent(path) else { return nil }
    let lines = text.split(separator: "\n")
    let releases = lines.dropFirst().prefix(releaseLimit).compactMap { Kernel(release: $0)?.release }
    return PendingWork(time: lines.first.flatMap { Int64($0) } ?? 0, releases: releases)
  }

  /// Forgets it; no change if there is none.
  package static func clear(from files: FileSystem) throws { try files.remove(path) }
}
