// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem

extension ApplyRun {
  /// Removes what writes that never ended have left in the image directory.
  func removeLeftovers() throws {
    for name in try host.files.list(partition.imageDirectory) ?? []
    where name.hasPrefix(".pve-") && TemporaryName.matches(name) {
      try host.files.remove("\(partition.imageDirectory)/\(name)")
    }
  }

  /// Removes images that the manifest says are ours and whose kernel is gone or beyond `Keep=`.
  ///
  /// The running kernel's stays, and so do all while no image is known to be right: the last one is never removed.
  /// A note says which stay, once it `isLastChance` for another image to turn out right.
  mutating func removeGone(isLastChance: Bool) throws {
    let hasSound = result.images.contains { $0.state == .current || $0.state == .signed }
    for record in manifest.images.values.sorted(by: { $0.path < $1.path }) where isGone(record) {
      if hasSound, !isRunning(record.kernel) {
        // In a dry run the record stays, and with it the first of two visits.
        if !result.images.contains(where: { $0.path == record.path }) { try remove(record) }
      } else if isLastChance {
        let reason = hasSound ? "it is the running one" : "no other image is known to be right"
        result.notes.append("kernel \(record.kernel.release) is gone, but \(reason): its image stays")
        add(record.kernel, .kept)
      }
    }
  }

  private mutating func remove(_ record: ImageRecord) throws {
    add(record.kernel, .removed)
    guard !options.isDryRun else { return }
    try host.files.remove(record.path)
    manifest.images[record.path] = nil
    try manifest.save(to: host.files)
  }

  /// Only a path that this program would give to an image of that kernel on this partition can be ours.
  private func isGone(_ record: ImageRecord) -> Bool {
    guard record.path == imagePath(record.kernel) else { return false }
    if !inventory.present.contains(record.kernel.release) { return true }
    return inventory.kernels.contains(record.kernel) && !wanted.contains(record.kernel)
  }
}
