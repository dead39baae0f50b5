// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Compression
internal import DebianArchive
internal import Messages
internal import XZ

/// Packs a member as dpkg-deb does, a piece at a time.
final class MemberPacker {
  private enum Way {
    case plain
    case library(CompressingSink)
    case xz(XZPacker)
  }

  private let file: any ByteSink
  private let way: Way

  /// Throws `Failure` for a compression that dpkg only reads.
  init(_ compression: MemberCompression, to file: any ByteSink, workers: Int) throws {
    self.file = file
    switch compression {
    case .none: way = .plain
    case .gzip: way = .library(try CompressingSink(.gzip, to: file))
    case .zstd: way = .library(try CompressingSink(.zstd, to: file))
    case .xz: way = .xz(try XZPacker(to: file, workers: workers))
    case .bzip2, .lzma:
      throw Failure(
        "the package is compressed by \(compression == .bzip2 ? "bzip2" : "lzma"), which is not written any more",
        hint: "give --compression xz or zstd")
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    switch way {
    case .plain: try file.write(bytes)
    case .library(let sink): try sink.write(bytes)
    case .xz(let packer): try packer.write(bytes)
    }
  }

  /// To be called once, after the last piece.
  func finish() throws {
    switch way {
    case .plain: break
    case .library(let sink): try sink.finish()
    case .xz(let packer): try packer.finish()
    }
  }
}

/// One xz stream of blocks that are compressed side by side, with dpkg's preset 6 and CRC64.
private final class XZPacker {
  /// Bytes of text that a worker has at a time, as xz(1) cuts it at that preset: three dictionaries.
  private static let blockSize = 24 << 20

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
    if text.count >= Self.blockSize * workers { try pack() }
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
