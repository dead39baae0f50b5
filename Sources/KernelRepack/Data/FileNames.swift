// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import DebianArchive

/// A kernel file whose entry has another name: only a link says what the file is.
struct Alias: Hashable, Sendable {
  var kind: KernelFiles.Kind
  /// The link's path.
  var path: ArchivePath
}

/// The names that links give to the files of an archive.
///
/// An archive contains a file once, in the entry of its first name. Hard links are further entries without content.
struct FileNames: Sendable {
  /// The entry that each hard link leads to.
  private var files: [ArchivePath: ArchivePath] = [:]
  /// The hard links of each entry, in the archive's order.
  private var links: [ArchivePath: [ArchivePath]] = [:]
  /// Symbolic links with the paths they lead to, which may come later in the archive.
  private var symbolicLinks: [ArchivePath: ArchivePath] = [:]
  /// As in Linux.
  private static let symbolicLinkLimit = 40

  /// Adds a link; does nothing for other entries.
  mutating func add(_ entry: TarEntry) {
    switch entry.kind {
    case .hardLink:
      let file = file(at: entry.linkPath)
      files[entry.path] = file
      links[file, default: []].append(entry.path)
    case .symbolicLink:
      symbolicLinks[entry.path] = Self.target(of: entry)
    default: break
    }
  }

  /// The entry that has the content of the file at `path`: `path` itself, unless it is a hard link.
  func file(at path: ArchivePath) -> ArchivePath { files[path] ?? path }

  /// All names of the file in the entry `path`: its own, and those of its hard links.
  func names(of path: ArchivePath) -> [ArchivePath] { [path] + (links[path] ?? []) }

  /// Kernel files by their entries, if only the name of a link shows what they are.
  ///
  /// `isRead`: whether the entry was read as a kernel file. `kind` is the kind of a path, nil for other files.
  func aliases(
    isRead: (ArchivePath) -> Bool, kind: (ArchivePath) -> KernelFiles.Kind?
  ) -> [ArchivePath: Alias] {
    var found: [ArchivePath: Alias] = [:]
    let hardLinks = links.sorted { $0.key < $1.key }.flatMap { file, names in names.map { ($0, file) } }
    let others = symbolicLinks.keys.sorted().map { ($0, file(behind: $0)) }
    for (link, target) in hardLinks + others {
      if found[target] == nil, !isRead(target), let kind = kind(link) { found[target] = Alias(kind: kind, path: link) }
    }
    return found
  }

  /// The entry that a symbolic link leads to, through others.
  private func file(behind link: ArchivePath) -> ArchivePath {
    var path = link
    for _ in 0..<Self.symbolicLinkLimit {
      guard let target = symbolicLinks[path] else { break }
      path = target
    }
    return file(at: path)
  }

  /// The path that a symbolic link leads to, without regard to links of directories; nil if it leads above the root.
  private static func target(of entry: TarEntry) -> ArchivePath? {
    let slash = UInt8(ascii: "/")
    var components = entry.rawLink.first == slash ? [] : entry.path.bytes.split(separator: slash).dropLast()
    for component in entry.rawLink.split(separator: slash) where !component.elementsEqual(".".utf8) {
      if component.elementsEqual("..".utf8) {
        guard components.popLast() != nil else { return nil }
      } else {
        components.append(component)
      }
    }
    return ArchivePath(normalizing: Array(components.joined(separator: [slash])))
  }
}
