// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Compression
internal import DebianArchive
internal import Messages
internal import XZ

extension DebLayout.Archive {
  /// Throws `ParseError` unless the member is exactly one xz stream or zstd frame.
  ///
  /// dpkg reads only the first one and other programs read all, so they would see different packages. Also throws if an
  /// xz stream states an unpacked size of more than `limit` bytes.
  func requireOneStream(in package: any RandomAccessBytes, limit: Int) throws {
    let content = FileSlice(package, member.contentRange)
    switch compression {
    case .xz:
      let stream = try XZStream(parsing: content)
      guard stream.textCount <= limit else { throw DataLimits.exceeded(by: stream.textCount) }
      try stream.requireModestDictionaries(in: content)
    case .zstd: try ZstandardFrame.requireOne(content)
    // dpkg reads all members of a gzip file. An uncompressed archive ends with the member.
    case .gzip, .none: break
    case .bzip2, .lzma:
      throw unsupportedCompression
    }
  }

  /// Calls `body` with the unpacked archive, piece by piece.
  ///
  /// Throws `ParseError` or `CompressionError` if it is damaged or has more than `limit` bytes.
  func forEachChunk(
    of package: any RandomAccessBytes, limit: Int, body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let content = FileSlice(package, member.contentRange)
    guard compression == .none else { return try CompressedStream(content).forEachChunk(limit: limit, body) }
    guard content.count <= limit else { throw ParseError("tar", at: limit, .range, "it has more than \(limit) bytes") }
    try TransferBuffer().forEachChunk(of: content, in: 0..<content.count, body)
  }

  private var unsupportedCompression: ParseError {
    ParseError(
      "deb", at: member.headerRange.lowerBound, .unsupported,
      "\(member.name) has a compression that dpkg-deb no longer writes")
  }

  /// The limit for the unpacked data archive, in bytes.
  var textLimit: Int { DataLimits.text(of: member.contentRange.count) }
}

/// Limits for the unpacked size of a data archive.
///
/// A kernel package has about half a gigabyte.
enum DataLimits {
  /// The limit in bytes for an archive that has `packed` bytes.
  ///
  /// Kernel files compress to about a tenth of their size, zeros to less than a thousandth.
  static func text(of packed: Int) -> Int { packed > 127 << 20 ? 8 << 30 : (64 << 20) + 64 * packed }

  /// The error for an xz stream that unpacks to `count` bytes.
  static func exceeded(by count: Int) -> ParseError {
    ParseError("xz", at: 0, .range, "it unpacks to \(count) bytes, too many for a kernel package")
  }
}

/// A range of a file that is read like a separate file: a member of a package.
struct FileSlice: RandomAccessBytes {
  private let source: any RandomAccessBytes
  private let start: Int
  let count: Int

  /// `range` must be within `source`.
  init(_ source: any RandomAccessBytes, _ range: Range<Int>) {
    self.source = source
    start = range.lowerBound
    count = range.count
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    guard offset >= 0, offset <= count, buffer.count <= count - offset else {
      throw ParseError(
        "deb", at: start + max(0, offset), .truncated,
        "reading \(buffer.count) bytes exceeds the member's \(count) bytes")
    }
    try source.read(into: buffer, at: start + offset)
  }

  func requireUnchanged() throws { try source.requireUnchanged() }
}
