// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
internal import HostSystem
internal import Messages

/// The contents of an ESP: files under pve-sb-uki's names, and the free space.
///
/// Sizes from the file system are limited, so that sums cannot overflow: sparse files can have up to 8 EiB.
package struct ESPContents: Hashable, Sendable {
  package var images: [PresentImage]
  /// Temporary files of interrupted writes.
  package var leftovers: [Leftover]
  /// Free space in bytes, at most 1 EiB.
  package var free: Int
  /// Files that fsck.vfat created from lost clusters and that are not known to be pve-sb-uki's.
  package var recovered: [Leftover] = []
  /// The number of files named like UKIs that were not examined and count as unknown, see `ESPReader.countLimit`.
  package var unexaminedCount = 0
  /// Paths of signed updates that empty a key variable, such as noPK.auth: anyone can turn Secure Boot off with them.
  package var keyRemovals: [String] = []
  /// Paths in the directories for the enrolment with names that pve-sb-uki uses there; their content may be anything.
  var staged: [String] = []

  package struct Leftover: Hashable, Sendable {
    package var path: String
    /// Bytes, at most `sizeLimit`.
    package var size: Int

    package init(path: String, size: Int) {
      self.path = path
      self.size = min(size, ESPContents.sizeLimit)
    }
  }

  package init(images: [PresentImage], leftovers: [Leftover] = [], free: Int) {
    self.images = images
    self.leftovers = leftovers
    self.free = min(free, 1 << 60)
  }

  /// Bytes: 1 TiB, more than any file on an ESP has.
  package static let sizeLimit = 1 << 40

  /// pve-sb-uki's intact UKIs.
  package var own: [UKIName] { images.filter(\.isOurs).map(\.name) }

  /// Replaces the state of the UKI with that name.
  mutating func set(_ name: UKIName, _ content: PresentImage.Content) {
    for index in images.indices where images[index].name == name { images[index].content = content }
  }
}

extension ESPContents {
  /// Files that the user should remove, and unexamined ones, one sentence each.
  func notes(in files: FileSystem) -> [Message] {
    var notes: [Message] = []
    if unexaminedCount > 0 {
      notes.append(
        """
        \(files.display(UKIName.directory)): \(unexaminedCount) files named pve-*.efi were not examined and are kept; \
        remove those that are not needed
        """)
    }
    notes += keyRemovals.map {
      "\(files.display($0)) turns Secure Boot off on a machine with its PK; delete this file from the ESP"
    }
    notes += recovered.map {
      """
      \(files.display($0.path)) (\($0.size >> 10) KiB) was created by a file system check; remove it if it is not needed
      """
    }
    return notes
  }
}

/// A file on an ESP whose name is that of one of pve-sb-uki's UKIs.
package struct PresentImage: Hashable, Sendable {
  package enum Content: Hashable, Sendable {
    /// The manifest records its content with this SHA-256 digest and `booted` time.
    case recorded(digest: [UInt8], booted: Int64?)
    /// Not in the manifest, but intact and signed with the current certificate.
    case signed
    /// Damaged, or made by another program.
    case unknown
  }

  package var name: UKIName
  /// Bytes, at most `ESPContents.sizeLimit`.
  package var size: Int
  package var content: Content

  package init(_ name: UKIName, size: Int, content: Content) {
    self.name = name
    self.size = min(size, ESPContents.sizeLimit)
    self.content = content
  }

  /// Whether pve-sb-uki made it and it is intact.
  ///
  /// Only such UKIs are removed or count as bootable.
  package var isOurs: Bool { content != .unknown }

  /// When the machine was last booted from it, in seconds since 1970; nil if unknown.
  package var booted: Int64? { if case .recorded(_, let booted) = content { booted } else { nil } }

  package func holds(_ digest: [UInt8]) -> Bool {
    if case .recorded(let own, _) = content { own == digest } else { false }
  }
}
