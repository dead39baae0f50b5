// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import HostSystem
package import Messages

/// What this program put where, in `/var/lib/pve-sb-uki/manifest`.
package struct Manifest: Hashable, Sendable {
  /// No two have the same digest, no two copies of any lie at the same place, and none is without a copy. In order of
  /// kernel and digest, their copies in that of partition and name.
  package private(set) var images: [ImageRecord] = []

  package static let path = "/var/lib/pve-sb-uki/manifest"
  private static let sizeLimit = 4 << 20

  package init() {}

  /// The image that lies at that place of the partition.
  package func image(on partition: String, _ name: ImageName) -> ImageRecord? {
    images.first { $0.copy(on: partition, name) != nil }
  }

  package func image(withDigest digest: [UInt8]) -> ImageRecord? { images.first { $0.digest == digest } }

  /// Records that `image` lies at these places; whatever lay there before does not any more.
  package mutating func place(_ image: ImageRecord, at copies: [ImageRecord.Copy]) {
    for copy in copies { vacate(copy.partition, copy.name) }
    if let index = images.firstIndex(where: { $0.digest == image.digest }) {
      let placed = Self.sorted(images[index].copies + copies)
      let booted = [images[index].booted, image.booted].compactMap { $0 }.max()
      images[index] = image
      images[index].copies = placed
      images[index].booted = booted
    } else if !copies.isEmpty {
      var image = image
      image.copies = Self.sorted(copies)
      images.append(image)
      images.sort { ($0.kernel.release, $0.digest.hexadecimal) < ($1.kernel.release, $1.digest.hexadecimal) }
    }
    dropPlaceless()
  }

  /// Records that nothing lies there.
  package mutating func remove(_ name: ImageName, on partition: String) {
    vacate(partition, name)
    dropPlaceless()
  }

  /// Brings what is known about the image with that digest up to date; its copies stay.
  package mutating func update(_ digest: [UInt8], _ change: (inout ImageRecord) -> Void) {
    guard let index = images.firstIndex(where: { $0.digest == digest }) else { return }
    change(&images[index])
  }

  private mutating func vacate(_ partition: String, _ name: ImageName) {
    for index in images.indices {
      images[index].copies.removeAll { $0.partition == partition && $0.name == name }
    }
  }

  private static func sorted(_ copies: [ImageRecord.Copy]) -> [ImageRecord.Copy] {
    copies.sorted { ($0.partition, $0.name.fileName) < ($1.partition, $1.name.fileName) }
  }

  private mutating func dropPlaceless() { images.removeAll { $0.copies.isEmpty } }

  /// Reads the host's manifest. One that cannot be understood is empty; `note` then says so.
  package static func load(from files: FileSystem) -> (manifest: Manifest, note: Message?) {
    do {
      guard let content = try files.readFileIfPresent(path, limit: sizeLimit) else { return (Manifest(), nil) }
      guard let manifest = Manifest(parsing: content) else {
        return (Manifest(), "\(path) is damaged or of another version; the images on the partitions are read instead")
      }
      return (manifest, nil)
    } catch {
      return (Manifest(), "\(error); the images on the partitions are read instead")
    }
  }

  /// Writes the manifest unless it is there already.
  package func save(to files: FileSystem) throws {
    let content = serialize()
    if images.isEmpty, try !files.exists(Self.path) { return }
    try files.makeDirectory("/var/lib/pve-sb-uki")
    try files.replaceFile(Self.path, content: content)
  }
}
