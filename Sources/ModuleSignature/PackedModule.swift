// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Compression
internal import XZ

/// A module file: plain, or in a compression that the kernel can unpack.
package struct PackedModule {
  private enum Packing { case none, gzip, xz, zstd }

  /// Maximum unpacked size in bytes; the largest modules, of graphics drivers, have a tenth of it.
  package static let sizeLimit = 1 << 30

  /// Unpacked; has room for a trailer.
  package var content: [UInt8] = []
  private let packing: Packing

  /// Unpacks `file` to `size` bytes, which `unpackedSize(of:)` counted.
  ///
  /// Throws `CompressionError` if the file is damaged.
  package init(_ file: [UInt8], size: Int) throws {
    packing = Self.packing(of: file)
    content.reserveCapacity(size + ModuleTrailer.sizeLimit)
    if packing == .none {
      content += file
    } else {
      try CompressedStream(file).forEachChunk(limit: size) { content.append(contentsOf: $0) }
    }
  }

  /// The number of bytes that `file` unpacks to, counted without keeping them.
  ///
  /// Throws `CompressionError` if the file is damaged, or unpacks to more than `limit` bytes.
  package static func unpackedSize(of file: [UInt8], limit: Int = sizeLimit) throws -> Int {
    guard packing(of: file) != .none else { return file.count }
    var size = 0
    try CompressedStream(file).forEachChunk(limit: limit) { size += $0.count }
    return size
  }

  private static func packing(of file: [UInt8]) -> Packing {
    switch file.prefix(4) {
    case [0xfd, 0x37, 0x7a, 0x58]: .xz
    case [0x28, 0xb5, 0x2f, 0xfd]: .zstd
    case let start where start.starts(with: [0x1f, 0x8b]): .gzip
    default: .none
    }
  }

  /// Compresses the content as the file was, as the kernel's build does (scripts/Makefile.modinst).
  package func pack() throws -> [UInt8] {
    switch packing {
    case .none: return content
    case .xz: return try packXZ()
    case .gzip: return try pack(.gzip)
    case .zstd: return try pack(.zstd)
    }
  }

  /// Uses CRC32, the only check that the kernel's decoder supports.
  private func packXZ() throws -> [UInt8] {
    var index = XZIndexWriter(check: .crc32)
    var file = index.header
    let blocks = try content.withUnsafeBytes { try EncodedBlock.encode(text: $0, check: .crc32) }
    for block in blocks {
      index.add(block)
      file += block.bytes
    }
    return file + index.finish()
  }

  private func pack(_ format: CompressingSink.Format) throws -> [UInt8] {
    let file = MemorySink()
    let sink = try CompressingSink(format, to: file)
    try sink.write(content)
    try sink.finish()
    return file.bytes
  }
}
