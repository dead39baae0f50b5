// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Compression
internal import Cryptography
internal import DebianArchive
internal import ModuleSignature
internal import XZ

/// Which files of a package belong to a kernel, by their paths.
///
/// Two layouts exist: Debian 13 and Proxmox have `boot/vmlinuz-K` and `boot/config-K`; Debian 14 has `vmlinuz` and
/// `config` in `usr/lib/modules/K`. Below `boot`, an image may be in any directory.
enum KernelFiles {
  enum Kind: Sendable {
    case image
    case module
    /// A kernel's configuration, which states the digest that its modules are signed with.
    case configuration
  }

  private static let imageName = "vmlinuz"
  private static let configurationPrefix = "boot/config-"
  private static let moduleDirectories = ["lib/modules/", "usr/lib/modules/"]
  private static let moduleSuffixes = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"]

  /// The kind of the file at `path`; nil for other files.
  static func kind(of path: ArchivePath) -> Kind? {
    if path.hasPrefix("boot/"), path.lastComponent.starts(with: imageName.utf8) { return .image }
    if kernel(ofConfiguration: path) != nil { return .configuration }
    guard let (_, rest) = moduleDirectory(of: path) else { return nil }
    if rest.starts(with: imageName.utf8), !rest.contains(UInt8(ascii: "/")) { return .image }
    return moduleSuffixes.contains(where: path.hasSuffix) ? .module : nil
  }

  /// The release of the kernel that the configuration at `path` is for; nil for other files.
  static func kernel(ofConfiguration path: ArchivePath) -> String? {
    if path.hasPrefix(configurationPrefix), path.parents.count == 1 {
      return String(decoding: path.bytes.dropFirst(configurationPrefix.utf8.count), as: UTF8.self)
    }
    guard let (kernel, rest) = moduleDirectory(of: path), rest.elementsEqual("config".utf8) else { return nil }
    return kernel
  }

  /// The release of the kernel whose module directory contains `path`.
  static func kernel(ofModule path: ArchivePath) -> String? { moduleDirectory(of: path)?.kernel }

  /// The release of the kernel whose module directory contains `path`, and the path from there.
  private static func moduleDirectory(of path: ArchivePath) -> (kernel: String, rest: ArraySlice<UInt8>)? {
    guard let directory = moduleDirectories.first(where: path.hasPrefix) else { return nil }
    let rest = path.bytes.dropFirst(directory.utf8.count)
    guard let slash = rest.firstIndex(of: UInt8(ascii: "/")) else { return nil }
    return (String(decoding: rest[..<slash], as: UTF8.self), rest[(slash + 1)...])
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
