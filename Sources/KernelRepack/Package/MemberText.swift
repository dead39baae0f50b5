// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Compression
internal import DebianArchive
internal import Messages
internal import XZ

extension DebLayout.Archive {
  /// Throws `ParseError` unless the member is one stream, or frame, and nothing else: dpkg reads the first and no more, so
  /// that what follows one is there for some programs and not for others. One of xz says how many bytes it has unpacked;
  /// that it has more than `limit` is an error, too.
  func requireOneStream(in package: any RandomAccessBytes, limit: Int) throws {
    let content = FileSlice(package, member.contentRange)
    switch compression {
    case .xz:
      let count = try XZStream(parsing: content).textCount
      guard count <= limit else { throw DataLimits.error(count) }
    case .zstd: try ZstandardFrame.requireOne(content)
    // All members of a gzip file are read. What is not compressed has no end but its own.
    case .gzip, .none: break
    case .bzip2, .lzma:
      throw ParseError(
        "deb", at: member.headerRange.lowerBound, .unsupported,
        "\(member.name) is compressed in a way that kernel packages are not")
    }
  }

  /// Calls `body` with the archive, unpacked. Throws `ParseError` or `CompressionError` if it is damaged or has more than
  /// `limit` bytes.
  func forEachChunk(
    of package: any RandomAccessBytes, limit: Int, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let content = FileSlice(package, member.contentRange)
    guard compression == .none else { return try CompressedStream(content).forEachChunk(limit: limit, body) }
    guard content.count <= limit else { throw ParseError("tar", at: limit, .range, "it has more than \(limit) bytes") }
    try TransferBuffer().forEachChunk(of: content, in: 0..<content.count, body)
  }
}
