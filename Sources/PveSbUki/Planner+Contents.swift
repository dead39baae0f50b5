// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import PortableExecutable

/// What an image is by its content. The manifest knows a file by size and time, which damage does not change.
extension Planner {
  /// Reads images and holds them against the manifest. Returns whether one is not what it was taken for; it is not ours
  /// then, and counts as nothing to boot from.
  ///
  /// Before one image goes, those that stay must be known to be right: the one that goes may be the last good one.
  mutating func readContents() -> Bool {
    var isOther = false
    for partition in plan.partitions where isToBeRead(partition) {
      guard let files = open.files(of: partition.name) else { continue }
      for (index, image) in (states[partition.name]?.images ?? []).enumerated() {
        guard case .recorded(let digest, _) = image.content else { continue }
        let isRight = (try? Digest.of(files.openFile(image.name.path)) == digest) ?? false
        guard !isRight else { continue }
        states[partition.name]?.images[index].content = .unknown
        manifest.remove(image.name, on: partition.name)
        damaged.append((partition.name, image.name))
        isOther = true
      }
    }
    return isOther
  }

  /// Kernels that are to have an image, and of which one is damaged.
  var damagedWanted: Set<Kernel> {
    Set(damaged.filter { !$0.name.isPrevious }.map(\.name.kernel)).intersection(plan.kernels.map(\.kernel))
  }

  private func isToBeRead(_ partition: Plan.Partition) -> Bool {
    switch options.reading {
    case .all: true
    case .none: false
    case .beforeRemoval: partition.images.steps.contains { if case .remove = $0 { true } else { false } }
    }
  }

  /// Finds the images that dbx revokes by their digest, among those that will be on the partitions.
  mutating func findRefused() {
    guard !forbiddenDigests.isEmpty else { return }
    for partition in plan.partitions {
      for name in partition.images.images {
        guard let digest = authenticode(of: name, on: partition), forbiddenDigests.contains(digest) else { continue }
        plan.refused.insert(name)
        plan.fail(Plan.refusal(of: name, on: partition.name))
      }
    }
  }

  /// The digest of an image that exists; nil for one that has yet to be made, or cannot be read.
  private mutating func authenticode(of name: ImageName, on partition: Plan.Partition) -> [UInt8]? {
    var record = manifest.image(on: partition.name, name)
    if partition.images.written.contains(name.kernel), !name.isPrevious {
      guard case .bytes(let digest, _) = plan.kernels.first(where: { $0.kernel == name.kernel })?.demand else {
        return nil
      }
      record = manifest.image(withDigest: digest)
    }
    if let known = record?.authenticode { return known }
    let copy = record?.copies.first { open.files(of: $0.partition) != nil }
    guard let files = open.files(of: copy?.partition ?? partition.name),
      let file = try? files.openFile((copy?.name ?? name).path), let image = try? SignedImage(parsing: file),
      let digest = try? ImageDigest.compute(of: file, header: image.header)
    else { return nil }
    if let record { manifest.update(record.digest) { $0.authenticode = digest } }
    return digest
  }
}
