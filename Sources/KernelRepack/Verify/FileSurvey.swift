// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Compression
internal import Cryptography
internal import DebianArchive
internal import Messages
internal import ModuleSignature

/// Takes in one entry of the data archive as it goes by. Only kernel images, compressed modules and provenance files are
/// held in memory.
struct FileSurvey {
  private enum Way {
    case plain
    case module(ModuleDigest)
    /// Held, and looked at in the end.
    case image, packedModule, provenance
  }

  /// The largest file that is held; kernel images and modules have a tenth.
  private static let heldLimit = 256 << 20
  private static let provenanceLimit = 1 << 20
  /// The largest module, unpacked.
  private static let moduleLimit = 1 << 30
  private static let packedSuffixes = [".ko.xz", ".ko.zst", ".ko.gz"]

  private let entry: TarEntry
  private let digestsAll: Bool
  private let md5: RunningDigest
  private let sha256: RunningDigest
  private var way: Way
  private var held: [UInt8] = []

  init(_ entry: TarEntry, digestsAll: Bool) throws {
    guard entry.kind != .sparseFile else {
      throw ParseError("tar", at: entry.headerOffset, .unsupported, "\(entry.path) is sparse, which dpkg does not read")
    }
    self.entry = entry
    self.digestsAll = digestsAll
    md5 = try RunningDigest(.md5)
    sha256 = try RunningDigest(.sha256)
    way = try Self.way(entry, digestsAll)
  }

  private static func way(_ entry: TarEntry, _ digestsAll: Bool) throws -> Way {
    guard entry.kind == .file else { return .plain }
    let path = entry.path
    let isModulePath = path.hasPrefix("lib/modules/") || path.hasPrefix("usr/lib/modules/")
    if isModulePath, path.hasSuffix(".ko") { return .module(try ModuleDigest(all: digestsAll)) }
    guard entry.size <= heldLimit else { return .plain }
    if path.hasPrefix("boot/vmlinuz-"), path.parents.count == 1 { return .image }
    if isModulePath, packedSuffixes.contains(where: path.hasSuffix) { return .packedModule }
    let isProvenance = path.hasPrefix("usr/share/doc/") && ProvenancePath.isOne(path)
    return isProvenance && entry.size <= provenanceLimit ? .provenance : .plain
  }

  mutating func feed(_ bytes: UnsafeRawBufferPointer) throws {
    try md5.update(bytes)
    try sha256.update(bytes)
    switch way {
    case .plain: break
    case .module(var digest):
      // There is to be one reference, so that nothing is copied.
      way = .plain
      try digest.feed(bytes)
      way = .module(digest)
    case .image, .packedModule, .provenance: held.append(contentsOf: bytes)
    }
  }

  mutating func finish() throws -> SurveyedFile {
    SurveyedFile(entry: entry, md5: try md5.finish(), sha256: try sha256.finish(), nature: nature())
  }

  private func nature() -> SurveyedFile.Nature {
    do {
      switch way {
      case .plain: return .plain
      case .module(var digest): return .module(try digest.finish())
      case .image: return .image(try SurveyedImage(held))
      case .provenance: return .provenance(held)
      case .packedModule:
        var digest = try ModuleDigest(all: digestsAll)
        try CompressedStream(held).forEachChunk(limit: Self.moduleLimit) { try digest.feed($0) }
        return .module(try digest.finish())
      }
    } catch {
      return .unreadable(Message(error))
    }
  }
}
