// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Compression
internal import XZ

/// A module as it lies in a package: plain, or packed in a way that the kernel unpacks.
struct PackedModule {
  private enum Packing { case none, gzip, xz, zstd }

  let content: [UInt8]
  private let packing: Packing

  /// Throws `CompressionError`, also if it has more than `DataScan.fileLimit` bytes unpacked.
  init(_ file: [UInt8]) throws {
    switch file.prefix(4) {
    case [0xfd, 0x37, 0x7a, 0x58]: packing = .xz
    case [0x28, 0xb5, 0x2f, 0xfd]: packing = .zstd
    case let start where start.starts(with: [0x1f, 0x8b]): packing = .gzip
    default:
      packing = .none
      content = file
      return
    }
    var unpacked: [UInt8] = []
    try CompressedStream(file).forEachChunk(limit: DataScan.fileLimit) { unpacked.append(contentsOf: $0) }
    content = unpacked
  }

  /// Packs other content the same way: as the kernel's own build does (scripts/Makefile.modinst).
  func pack(_ content: [UInt8]) throws -> [UInt8] {
    switch packing {
    case .none: return content
    case .xz: return try packXZ(content)
    case .gzip: return try pack(content, .gzip)
    case .zstd: return try pack(content, .zstd)
    }
  }

  /// With CRC32, the one check that the kernel's own decoder knows.
  private func packXZ(_ content: [UInt8]) throws -> [UInt8] {
    var index = XZIndexWriter(check: .crc32)
    var file = index.header
    let blocks = try content.withUnsafeBytes { try EncodedBlock.encode(text: $0, check: .crc32) }
    for block in blocks {
      index.add(block)
      file += block.bytes
    }
    return file + index.finish()
  }

  private func pack(_ content: [UInt8], _ format: CompressingSink.Format) throws -> [UInt8] {
    let file = MemorySink()
    let sink = try CompressingSink(format, to: file)
    try sink.write(content)
    try sink.finish()
    return file.bytes
  }
}
