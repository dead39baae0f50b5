// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// What one entry of a tar archive says of its file, header extensions taken in.
package struct TarEntry: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case file
    case hardLink
    case symbolicLink
    case characterDevice
    case blockDevice
    case directory
    case fifo
    /// With holes: the content is what stands in the archive, for old GNU ones without, for pax 1.0 with the map.
    case sparseFile
    /// None of these; its content is passed on.
    case other(UInt8)
  }

  /// Normalised; `hazard` is that of `rawName`.
  package let path: ArchivePath
  /// The name as the archive has it, such as `./boot/`.
  package let rawName: [UInt8]
  package let kind: Kind
  /// Bytes of content in the archive.
  package let size: Int
  /// Bytes of the file; differs from `size` for sparse files only.
  package let realSize: Int
  /// Permissions, without the file's type.
  package let mode: Int
  package let owner: Int
  package let group: Int
  /// Names, which count more than the numbers where they are known; empty if there are none.
  package let ownerName: String
  package let groupName: String
  /// Seconds since 1970; a fraction is in `paxRecords`.
  package let modified: Int
  /// Where a link leads, as the archive has it; empty for others.
  package let rawLink: [UInt8]
  /// Major and minor number; nil unless it is a device.
  package let device: [Int]?
  /// Those that apply to this entry, global ones too, the last of a key, sorted by key.
  package let paxRecords: [PaxRecord]
  /// Offset of the first header extension, or of the header if there are none.
  package let start: Int
  /// Where the content is in the text, without the fill after it.
  package let contentRange: Range<Int>

  let header: TarHeaderBlock
  let extensions: [TarExtension]

  /// Offset of the header's block of 512 bytes, the last one if there are several.
  package var headerOffset: Int { header.offset }
  /// Where the next entry begins.
  package var end: Int { contentRange.upperBound.roundedUp(toMultipleOf: TarHeaderBlock.size) ?? Int.max }
  /// Where a hard link leads: to another entry.
  ///
  /// For a symbolic link nothing is normalised but slashes and `.`.
  package var linkPath: ArchivePath { ArchivePath(normalizing: rawLink) }
}

/// One record of a pax extended header (POSIX.1-2001).
package struct PaxRecord: Hashable, Sendable {
  package let key: String
  package let value: [UInt8]
}

/// A header extension that stands before an entry.
struct TarExtension: Hashable, Sendable {
  /// `L`, `K`, `x` or `g`.
  let type: UInt8
  let header: TarHeaderBlock
  let contentRange: Range<Int>
}

package enum TarEvent {
  case entry(TarEntry)
  /// A piece of the content of the entry that came last.
  case content(UnsafeRawBufferPointer)
  case endOfEntry
  /// Where the zero blocks begin, which is where another entry can be put.
  case endOfArchive(offset: Int)
}

extension TarEntry {
  /// Throws `ParseError` if its name or link leads out of the archive, or cannot be printed.
  ///
  /// A symbolic link may be absolute: Debian Policy 10.5 asks for it between top-level directories. One that climbs
  /// above the root is refused.
  package func requireSafeNames() throws(ParseError) {
    try require(path, raw: rawName, what: "the name")
    if path.bytes.isEmpty, kind != .directory {
      throw ParseError(TarHeaderBlock.format, at: headerOffset, "path", "an entry other than the root has no name")
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
      TarHeaderBlock.format, at: headerOffset, "path", "\(path) is a link out of the package, to \(linkPath)")
  }

  private func require(_ path: ArchivePath, raw: [UInt8], what: Message) throws(ParseError) {
    guard let hazard = path.hazard else { return }
    let name = ArchivePath.printable(raw.prefix(256))
    throw ParseError(
      TarHeaderBlock.format, at: headerOffset, "path", "\(what) \(name) is not safe: it \(hazard.message)")
  }

  /// Whether a relative link leads above the root at any step, taken from where it stands.
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
    case .absolute: "begins with a slash"
    case .parent: "has a component .."
    case .emptyComponent: "has an empty component"
    case .controlCharacter: "has a control character in it"
    case .tooLong: "is longer than a system takes"
    }
  }
}
