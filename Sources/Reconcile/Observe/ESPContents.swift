// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment

/// What lies on an ESP in this program's name space, and how much room is left.
package struct ESPContents: Hashable, Sendable {
  package var images: [PresentImage]
  /// What writes that never ended have left behind.
  package var leftovers: [Leftover]
  /// Bytes that can still be written.
  package var free: Int
  /// What a check of the file system has made files of, and is not known to be ours.
  package var salvaged: [Leftover] = []

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

  /// The images that this program made, whole.
  package var own: [UKIName] { images.filter(\.isOurs).map(\.name) }

  /// Changes what is known of the image of that name.
  mutating func set(_ name: UKIName, _ content: PresentImage.Content) {
    for index in images.indices where images[index].name == name { images[index].content = content }
  }
}

/// A file in this program's name space as it was found on an ESP.
package struct PresentImage: Hashable, Sendable {
  package enum Content: Hashable, Sendable {
    /// The bytes that the manifest records under this digest; `booted` as there.
    case recorded(digest: [UInt8], booted: Int64?)
    /// Not in the manifest, but whole and signed with the certificate in use.
    case signed
    /// Damaged, or made by somebody else.
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

  /// Whether this program made it and it is whole: only such images are removed, and only such count as something to
  /// boot from.
  package var isOurs: Bool { content != .unknown }

  /// When a machine that was booted from it started, in seconds since 1970; nil if none has been seen.
  package var booted: Int64? { if case .recorded(_, let booted) = content { booted } else { nil } }

  package func holds(_ digest: [UInt8]) -> Bool {
    if case .recorded(let own, _) = content { own == digest } else { false }
  }
}
