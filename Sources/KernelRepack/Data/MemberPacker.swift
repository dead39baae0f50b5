// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Compression
internal import DebianArchive
internal import Messages
internal import XZ

/// Compresses a member as dpkg-deb does, piece by piece.
final class MemberPacker {
  private enum Encoder {
    case plain
    case library(CompressingSink)
    case xz(XZPacker)
  }

  /// Bytes of text in an xz block: three times the dictionary, as xz(1) does.
  static let blockSize = 24 << 20

  private let file: any ByteSink
  private let encoder: Encoder

  /// Throws `CompressionError` for bzip2 and lzma, which dpkg reads but no longer writes.
  init(_ compression: MemberCompression, to file: any ByteSink, workers: Int) throws {
    self.file = file
    switch compression {
    case .none: encoder = .plain
    case .gzip: encoder = .library(try CompressingSink(.gzip, to: file))
    case .zstd: encoder = .library(try CompressingSink(.zstd, to: file))
    case .xz: encoder = .xz(try XZPacker(to: file, workers: workers))
    case .bzip2, .lzma:
      throw CompressionError(.pack, detail: "dpkg-deb no longer writes \(compression.suffix)")
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    switch encoder {
    case .plain: try file.write(bytes)
    case .library(let sink): try sink.write(bytes)
    case .xz(let packer): try packer.write(bytes)
    }
  }

  /// Call once, after the last piece.
  func finish() throws {
    switch encoder {
    case .plain: break
    case .library(let sink): try sink.finish()
    case .xz(let packer): try packer.finish()
    }
  }
}

/// Writes one xz stream with dpkg's settings, preset 6 and CRC64, and compresses several blocks at a time.
private final class XZPacker {
  private let file: any ByteSink
  private let workers: Int
  private var index = XZIndexWriter(check: .crc64)
  private var text: [UInt8] = []

  init(to file: any ByteSink, workers: Int) throws {
    self.file = file
    self.workers = workers
    try file.write(index.header)
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    text.append(contentsOf: bytes)
    if text.count >= MemberPacker.blockSize * workers { try pack() }
  }

  func finish() throws {
    try pack()
    try file.write(index.finish())
  }

  private func pack() throws {
    guard !text.isEmpty else { return }
    for block in try text.withUnsafeBytes({ try EncodedBlock.encode(text: $0, check: .crc64, workers: workers) }) {
      index.add(block)
      try file.write(block.bytes)
    }
    text.removeAll(keepingCapacity: true)
  }
}
