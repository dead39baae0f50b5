// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Compression
internal import Cryptography
internal import DebianArchive
internal import ModuleSignature
internal import XZ

/// Which files of a package belong to a kernel, by their paths.
enum KernelFiles {
  enum Kind: Sendable {
    case image
    case module
    /// A kernel's configuration, which states the digest that its modules are signed with.
    case configuration
  }

  private static let imagePrefix = "boot/vmlinuz-"
  private static let configurationPrefix = "boot/config-"
  private static let moduleDirectories = ["lib/modules/", "usr/lib/modules/"]
  private static let moduleSuffixes = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"]

  /// The kind of the file at `path`; nil for other files.
  ///
  /// Nil also for modules and configurations, unless modules are signed.
  static func kind(of path: ArchivePath, modules: ModulePolicy) -> Kind? {
    if path.hasPrefix(imagePrefix) { return path.parents.count == 1 ? .image : nil }
    guard modules != .none else { return nil }
    if path.hasPrefix(configurationPrefix) { return .configuration }
    return kernel(ofModule: path) != nil && moduleSuffixes.contains(where: path.hasSuffix) ? .module : nil
  }

  /// The version of the kernel that the configuration at `path` is for.
  static func kernel(ofConfiguration path: ArchivePath) -> String {
    String(decoding: path.bytes.dropFirst(configurationPrefix.utf8.count), as: UTF8.self)
  }

  /// The version of the kernel whose module directory contains `path`.
  static func kernel(ofModule path: ArchivePath) -> String? {
    guard let directory = moduleDirectories.first(where: path.hasPrefix) else { return nil }
    let rest = path.bytes.dropFirst(directory.utf8.count)
    let version = rest.prefix { $0 != UInt8(ascii: "/") }
    return version.count < rest.count ? String(decoding: version, as: UTF8.self) : nil
  }

  /// `CONFIG_MODULE_SIG_HASH` of a kernel's configuration; nil if it is unset or names an unknown digest.
  static func moduleDigest(in configuration: [UInt8]) -> DigestAlgorithm? {
    let name = Array("CONFIG_MODULE_SIG_HASH=\"".utf8)
    for line in ByteLines(configuration) where line.starts(with: name) {
      let value = String(decoding: line.dropFirst(name.count).prefix { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
      return DigestAlgorithm.forSignatures.first { $0.rawValue == value }
    }
    return nil
  }
}

/// A module file of a package: plain, or in a compression that the kernel can unpack.
struct PackedModule {
  private enum Packing { case none, gzip, xz, zstd }

  /// Unpacked; has room for a trailer.
  var content: [UInt8] = []
  private let packing: Packing

  /// Unpacks `file` to `size` bytes, which `unpackedSize(of:)` counted.
  ///
  /// Throws `CompressionError` if the file is damaged.
  init(_ file: [UInt8], size: Int) throws {
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
  /// Throws `CompressionError` if the file is damaged, or unpacks to more than `DataScan.fileLimit` bytes.
  static func unpackedSize(of file: [UInt8]) throws -> Int {
    guard packing(of: file) != .none else { return file.count }
    var size = 0
    try CompressedStream(file).forEachChunk(limit: DataScan.fileLimit) { size += $0.count }
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
  func pack() throws -> [UInt8] {
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
