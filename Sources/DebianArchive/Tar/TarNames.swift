// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// The names of the entries seen so far, to find what different programs would unpack differently: duplicate names,
/// hard links to missing files, and files below a symbolic link.
package struct TarNames: Sendable {
  private var kinds: [ArchivePath: TarEntry.Kind] = [:]

  package init() {}

  /// Adds `entry`, and throws `ParseError` if it conflicts with an earlier one.
  ///
  /// A directory may occur twice: tools that merge trees write it that way.
  package mutating func admit(_ entry: TarEntry) throws(ParseError) {
    if let earlier = kinds[entry.path], earlier != .directory || entry.kind != .directory {
      throw error(entry, .overlap, "\(entry.path) is in the archive twice")
    }
    // The parents of a directory that was admitted have been checked already.
    if let parent = entry.path.parents.first(where: { kinds[$0] != nil }), kinds[parent] != .directory {
      throw error(entry, "path", "\(entry.path) is below \(parent), which is not a directory")
    }
    if entry.kind == .hardLink {
      switch kinds[entry.linkPath] {
      case .file, .hardLink, .sparseFile: break
      default:
        throw error(
          entry, "path", "the hard link \(entry.path) points to \(entry.linkPath), which is not an earlier file")
      }
    }
    kinds[entry.path] = entry.kind
  }

  package func contains(_ path: ArchivePath) -> Bool { kinds[path] != nil }

  private func error(_ entry: TarEntry, _ rule: ParseError.Rule, _ detail: Message) -> ParseError {
    ParseError(TarHeaderBlock.format, at: entry.headerOffset, rule, detail)
  }
}
