// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment

/// What an ESP holds under the names of this program, and how much space is free.
package struct ESPContents: Hashable, Sendable {
  package var images: [PresentImage]
  /// Temporary files of interrupted writes.
  package var leftovers: [Leftover]
  /// Free space in bytes.
  package var free: Int
  /// Files that fsck.vfat made of lost clusters and that are not known to be ours.
  package var recovered: [Leftover] = []

  package struct Leftover: Hashable, Sendable {
    package var path: String
    /// Bytes.
    package var size: Int

    package init(path: String, size: Int) {
      self.path = path
      self.size = size
    }
  }

  package init(images: [PresentImage], leftovers: [Leftover] = [], free: Int) {
    self.images = images
    self.leftovers = leftovers
    self.free = free
  }

  /// The intact images of this program.
  package var own: [UKIName] { images.filter(\.isOurs).map(\.name) }

  /// Replaces the state of the image with that name.
  mutating func set(_ name: UKIName, _ content: PresentImage.Content) {
    for index in images.indices where images[index].name == name { images[index].content = content }
  }
}

/// A file with a name of this program's images, as found on an ESP.
package struct PresentImage: Hashable, Sendable {
  package enum Content: Hashable, Sendable {
    /// Its content is recorded in the manifest with this SHA-256 digest; `booted` as there.
    case recorded(digest: [UInt8], booted: Int64?)
    /// Not in the manifest, but intact and signed with the certificate in use.
    case signed
    /// Damaged, or made by another program.
    case unknown
  }

  package var name: UKIName
  /// Bytes.
  package var size: Int
  package var content: Content

  package init(_ name: UKIName, size: Int, content: Content) {
    self.name = name
    self.size = size
    self.content = content
  }

  /// Whether this program made it and it is intact.
  ///
  /// Only such images are removed, and only such images count as bootable.
  package var isOurs: Bool { content != .unknown }

  /// When the machine was last booted from it, in seconds since 1970; nil if that was never seen.
  package var booted: Int64? { if case .recorded(_, let booted) = content { booted } else { nil } }

  package func holds(_ digest: [UInt8]) -> Bool {
    if case .recorded(let own, _) = content { own == digest } else { false }
  }
}
