// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Messages

/// One compressed stream within other data: its content, and where it ends.
package struct EmbeddedStream {
  /// The formats of an initrd.
  package enum Format: String, CaseIterable, Hashable, Sendable {
    case gzip = "gzip"
    case bzip2 = "bzip2"
    case lzma = "LZMA"
    case xz = "xz"
    /// libarchive cannot unpack it without starting another program.
    case lzo = "LZO"
    /// The legacy format of LZ4, which `lz4 -l` writes.
    case lz4 = "LZ4"
    /// The frame format of LZ4; not unpacked, as the kernel cannot either.
    case lz4Frame = "LZ4 frame"
    case zstd = "Zstandard"

    /// The format that the kernel recognises by the first two bytes (Linux, lib/decompress.c), or `lz4Frame`.
    ///
    /// Nil for other data.
    package init?(start: some Collection<UInt8>) {
      switch Array(start.prefix(2)) {
      case [0x1f, 0x8b], [0x1f, 0x9e]: self = .gzip
      case [0x42, 0x5a]: self = .bzip2
      case [0x5d, 0x00]: self = .lzma
      case [0xfd, 0x37]: self = .xz
      case [0x89, 0x4c]: self = .lzo
      case [0x02, 0x21]: self = .lz4
      case [0x04, 0x22]: self = .lz4Frame
      case [0x28, 0xb5]: self = .zstd
      default: return nil
      }
    }
  }

  package let format: Format
  private let source: any RandomAccessBytes
  private let start: Int

  /// The stream of `format` that starts at byte `start`, which must be within `source`.
  package init(_ format: Format, in source: any RandomAccessBytes, at start: Int) {
    self.format = format
    self.source = source
    self.start = start
  }

  /// Calls `body` with the unpacked bytes, piece by piece, in order, and returns the offset of the stream's end.
  ///
  /// Several streams of gzip or bzip2 without padding between them count as one. Throws `CompressionError` if the
  /// stream is damaged, truncated, unpacks to more than `limit` bytes or has a format that cannot be unpacked,
  /// `ParseError` if its end cannot be found, and what `body` and reading the source throw.
  package func forEachChunk(limit: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Int {
    guard format != .lzo, format != .lz4Frame else {
      throw CompressionError(.unsupported, detail: "\(format.rawValue) is not supported")
    }
    // These filters of libarchive treat other data after the stream as damage.
    let end =
      switch format {
      case .xz: try XZStreamEnd.find(in: source, from: start)
      case .zstd: try ZstandardFrame.end(in: source, from: start)
      case .lz4: try LegacyLZ4.end(in: source, from: start)
      default: source.count
      }
    return try start + CompressedStream.read(source, start..<end, as: format, limit: limit, body)
  }
}

/// The end of an LZ4 stream in the legacy format: a magic number, then blocks that each follow their size.
enum LegacyLZ4 {
  private static let format = "LZ4"
  private static let magic: UInt32 = 0x184c_2102
  /// The largest block in bytes: LZ4_COMPRESSBOUND of 8 MiB (Linux, include/linux/lz4.h).
  private static let blockLimit = (8 << 20) + (8 << 20) / 255 + 16

  /// The offset after the last block; like the kernel's decompressor (lib/decompress_unlz4.c), it ends at the end of
  /// the source or at a size of zero, and skips further magic numbers.
  ///
  /// Throws `ParseError`.
  static func end(in source: any RandomAccessBytes, from start: Int) throws -> Int {
    var window = SourceWindow(source)
    var offset = start
    while source.count - offset >= 4 {
      let word = try window.word(at: offset)
      guard word != 0 else { break }
      offset += 4
      if word == magic { continue }
      guard word <= blockLimit else {
        throw ParseError(format, at: offset - 4, .range, "a block of \(word) bytes is larger than 8 MiB can become")
      }
      guard Int(word) <= source.count - offset else {
        throw ParseError(
          format, at: offset, .truncated,
          "a block of \(word) bytes starts \(source.count - offset) bytes before the end")
      }
      offset += Int(word)
    }
    return offset
  }
}

/// The end of an .xz stream (The .xz File Format 1.2.0, section 2.1.2).
enum XZStreamEnd {
  /// The offset after the first valid footer, or the end of the source without one.
  ///
  /// A footer has a CRC32, its flags are those of the header, and its distance from the stream's start is a multiple of
  /// four. So it is not found within compressed data by chance. Throws what reading the source throws.
  static func find(in source: any RandomAccessBytes, from start: Int) throws -> Int {
    guard source.count - start >= 24 else { return source.count }
    let flags = try source.readBytes(at: start + 6, count: 2, format: "xz")
    let magic = UInt32(flags[0]) | UInt32(flags[1]) << 8 | 0x5a59_0000
    let buffer = TransferBuffer()
    var offset = start + 20
    var found: Int?
    // Every chunk has whole words: the buffer's size is a multiple of four.
    let end = offset + (source.count - offset) / 4 * 4
    while offset < end, found == nil {
      let count = min(buffer.bytes.count, end - offset)
      let chunk = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<count])
      try source.read(into: chunk, at: offset)
      for position in stride(from: 0, to: count, by: 4) {
        guard UInt32(littleEndian: chunk.load(fromByteOffset: position, as: UInt32.self)) == magic else { continue }
        let footer = try source.readBytes(at: offset + position - 8, count: 12, format: "xz")
        let stored = footer[..<4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        if CRC32.of(footer[4..<10]) == stored {
          found = offset + position + 4
          break
        }
      }
      offset += count
    }
    return found ?? source.count
  }
}

/// A small part of a source, for many reads near each other.
struct SourceWindow {
  private let source: any RandomAccessBytes
  private var start = 0
  private var bytes: [UInt8] = []

  init(_ source: any RandomAccessBytes) { self.source = source }

  /// `count` bytes, at most 4096, from `offset`.
  ///
  /// Throws `ParseError` `truncated` if the source ends before.
  mutating func read(at offset: Int, count: Int, format: String) throws -> ArraySlice<UInt8> {
    if offset < start || offset + count > start + bytes.count {
      let available = max(0, min(4096, source.count - offset))
      bytes = try source.readBytes(at: offset, count: max(count, available), format: format)
      start = offset
    }
    return bytes[(offset - start)..<(offset - start + count)]
  }

  /// The little-endian 32-bit integer at `offset`.
  mutating func word(at offset: Int) throws -> UInt32 {
    try read(at: offset, count: 4, format: "LZ4").reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
  }
}
