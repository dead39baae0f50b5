// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import DebianArchive

/// What signing did to one file of a package.
package struct FileChange: Sendable {
  package enum Kind: Hashable, Sendable {
    /// Signatures of the image before and after; ours is the last one.
    case image(before: Int, after: Int)
    /// By `algorithm`, in place of an earlier signature or where there was none.
    case module(algorithm: String, replaced: Bool)
  }

  /// A file as it was or is: bytes and digests.
  package struct State: Hashable, Sendable {
    package let size: Int
    package let md5: [UInt8]
    package let sha256: [UInt8]

    init(_ content: [UInt8]) throws(CryptoError) {
      size = content.count
      md5 = try Digest.of(content, .md5)
      sha256 = try Digest.of(content)
    }

    /// Kibibytes, begun ones counted whole, as Installed-Size has them.
    var kibibytes: Int { (size + 1023) / 1024 }
  }

  package let path: String
  package let kind: Kind
  package let old: State
  package let new: State
  let archivePath: ArchivePath
  /// In the archive.
  let edits: [ByteEdit]

  init(_ file: DataScan.File, kind: Kind, new content: [UInt8]) throws {
    self.kind = kind
    archivePath = file.entry.path
    path = archivePath.description
    old = try State(file.content)
    new = try State(content)
    edits = try file.entry.edits(ofContent: ContentEdits.inPlace(from: file.content, to: content))
  }
}
