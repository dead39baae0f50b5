// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// One entry of a tar archive, with its header extensions applied.
package struct TarEntry: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case file
    case hardLink
    case symbolicLink
    case characterDevice
    case blockDevice
    case directory
    case fifo
    /// A file with holes; its content is as stored in the archive, without the map for old GNU, with it for pax 1.0.
    case sparseFile
    /// Any other type; its content is passed on.
    case other(UInt8)
  }

  /// The normalised name; its `hazard` is that of `rawName`.
  package let path: ArchivePath
  /// The name as stored in the archive, such as `./boot/`.
  package let rawName: [UInt8]
  package let kind: Kind
  /// Bytes of content in the archive.
  package let size: Int
  /// Bytes of the file; differs from `size` for sparse files only.
  package let realSize: Int
  /// Permissions, without the file type.
  package let mode: Int
  package let owner: Int
  package let group: Int
  /// Names take precedence over numeric IDs where the system knows them; empty if the archive has none.
  package let ownerName: String
  package let groupName: String
  /// Seconds since 1970; any fraction is in `paxRecords`.
  package let modified: Int
  /// Target of a link, as stored in the archive; empty for other kinds.
  package let rawLink: [UInt8]
  /// Major and minor number; nil if the entry is not a device.
  package let device: [Int]?
  /// The records that apply to this entry, including global ones; the last one of each key, sorted by key.
  package let paxRecords: [PaxRecord]
  /// Offset of the first header extension, or of the header if it has none.
  package let start: Int
  /// Range of the content in the archive, without padding.
  package let contentRange: Range<Int>

  let header: TarHeaderBlock
  let extensions: [TarExtension]

  /// Offset of the header's 512-byte block, without its extensions.
  package var headerOffset: Int { header.offset }
  /// Offset of the next entry.
  package var end: Int { contentRange.upperBound.roundedUp(toMultipleOf: TarHeaderBlock.size) ?? Int.max }
  /// Target of a hard link: the path of another entry.
  ///
  /// For a symbolic link, only slashes and `.` are normalised.
  package var linkPath: ArchivePath { ArchivePath(normalizing: rawLink) }
}

/// One record of a pax extended header (POSIX.1-2001).
package struct PaxRecord: Hashable, Sendable {
  package let key: String
  package let value: [UInt8]
}

/// A header extension before an entry.
struct TarExtension: Hashable, Sendable {
  /// `L`, `K`, `x` or `g`.
  let type: UInt8
  let header: TarHeaderBlock
  let contentRange: Range<Int>
}

package enum TarEvent {
  case entry(TarEntry)
  /// A piece of the latest entry's content.
  case content(UnsafeRawBufferPointer)
  case endOfEntry
  /// Offset of the zero blocks, where another entry can be inserted.
  case endOfArchive(offset: Int)
}

extension TarEntry {
  /// Throws `ParseError` if the name or link leads out of the archive or contains control characters.
  ///
  /// A symbolic link may be absolute: Debian Policy 10.5 requires it between top-level directories. A link that climbs
  /// above the root is rejected.
  package func requireSafeNames() throws(ParseError) {
    try require(path, raw: rawName, what: "the name")
    if path.bytes.isEmpty, kind != .directory {
      throw ParseError(TarHeaderBlock.format, at: headerOffset, "path", "only the root directory can have no name")
    }
    switch kind {
    case .hardLink:
      try require(linkPath, raw: rawLink, what: "the link")
      guard !linkPath.bytes.isEmpty else { throw outside }
    case .symbolicLink:
      guard !rawLink.isEmpty, linkPath.hazard != .controlCharacter, linkPath.hazard != .tooLong, !linkClimbsOut else {
        throw outside
      }
    default: break
    }
  }

  private var outside: ParseError {
    ParseError(
      TarHeaderBlock.format, at: headerOffset, "path", "the link \(path) leads out of the package to \(linkPath)")
  }

  private func require(_ path: ArchivePath, raw: [UInt8], what: Message) throws(ParseError) {
    guard let hazard = path.hazard else { return }
    let name = ArchivePath.printable(raw.prefix(256))
    throw ParseError(
      TarHeaderBlock.format, at: headerOffset, "path", "\(what) \(name) is unsafe: it \(hazard.message)")
  }

  /// Whether any component of the link leads above the root.
  private var linkClimbsOut: Bool {
    var depth = rawLink.first == UInt8(ascii: "/") ? 0 : path.parents.count
    for component in rawLink.split(separator: UInt8(ascii: "/")) where !component.elementsEqual([UInt8(ascii: ".")]) {
      depth += component.elementsEqual("..".utf8) ? -1 : 1
      if depth < 0 { return true }
    }
    return false
  }
}

extension ArchivePath.Hazard: MessageConvertible {
  package var message: Message {
    switch self {
    case .absolute: "starts with a slash"
    case .parent: "contains a .. component"
    case .empty: "is empty"
    case .controlCharacter: "contains a control character"
    case .tooLong: "is longer than Linux allows"
    case .tooDeep: "is in too many directories"
    }
  }
}
