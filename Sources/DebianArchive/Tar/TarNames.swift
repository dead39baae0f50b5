// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// The names of an archive's entries as they go by, to find what one program would unpack this way and another that
/// way: a name that is there twice, a hard link to what is not there, a file below a symbolic link.
package struct TarNames: Sendable {
  private var kinds: [ArchivePath: TarEntry.Kind] = [:]

  package init() {}

  /// Throws `ParseError` if `entry` cannot follow those before it.
  ///
  /// A directory may come twice: tools that join trees write it so.
  package mutating func admit(_ entry: TarEntry) throws(ParseError) {
    if let earlier = kinds[entry.path], earlier != .directory || entry.kind != .directory {
      throw error(entry, .overlap, "\(entry.path) is in the archive twice")
    }
    // What stands above a directory that was admitted has been looked at.
    if let parent = entry.path.parents.first(where: { kinds[$0] != nil }), kinds[parent] != .directory {
      throw error(entry, "path", "\(entry.path) lies below \(parent), which is no directory")
    }
    if entry.kind == .hardLink {
      switch kinds[entry.linkPath] {
      case .file, .hardLink, .sparseFile: break
      default:
        throw error(entry, "path", "\(entry.path) is a link to \(entry.linkPath), which is no file before it")
      }
    }
    kinds[entry.path] = entry.kind
  }

  package func contains(_ path: ArchivePath) -> Bool { kinds[path] != nil }

  private func error(_ entry: TarEntry, _ rule: ParseError.Rule, _ detail: Message) -> ParseError {
    ParseError(TarHeaderBlock.format, at: entry.headerOffset, rule, detail)
  }
}
