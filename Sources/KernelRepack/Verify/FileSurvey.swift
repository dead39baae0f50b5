// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import Compression
internal import Cryptography
internal import DebianArchive
internal import Messages
internal import ModuleSignature
internal import PortableExecutable

/// Reads one entry of the data archive piece by piece.
///
/// Keeps only kernel images, compressed modules and provenance files in memory.
struct FileSurvey {
  private enum Handling {
    /// Digested like every file.
    case plain
    case module(ModuleDigest)
    /// Kept, and parsed when complete.
    case image, packedModule, provenance
  }

  /// The size limit for a file that is kept, in bytes.
  ///
  /// Kernel images and modules have about a tenth of that.
  private static let keptLimit = DataScan.fileLimit
  /// Bytes.
  private static let provenanceLimit = 1 << 20
  /// Bytes of the largest module, unpacked.
  private static let moduleLimit = 1 << 30

  private let entry: TarEntry
  private let digestsAll: Bool
  private let md5: RunningDigest
  private let sha256: RunningDigest
  private var handling: Handling
  private var kept: [UInt8] = []
  /// Whether no content was read yet.
  private var isFirst = true

  /// Starts with the entry's header.
  ///
  /// `alias`: what a link with a kernel file's name says about the file. `digestsAll`: whether modules are digested with
  /// all algorithms that signatures use. Throws `ParseError` for a sparse file.
  init(_ entry: TarEntry, alias: Alias?, digestsAll: Bool) throws {
    guard entry.kind != .sparseFile else { throw entry.sparseFileError }
    self.entry = entry
    self.digestsAll = digestsAll
    md5 = try RunningDigest(.md5)
    sha256 = try RunningDigest(.sha256)
    handling = try Self.handling(of: entry, alias: alias, digestsAll: digestsAll)
  }

  private static func handling(of entry: TarEntry, alias: Alias?, digestsAll: Bool) throws -> Handling {
    guard entry.kind == .file else { return .plain }
    let path = alias?.path ?? entry.path
    let kind = alias?.kind ?? KernelFiles.kind(of: path)
    if kind == .module, path.hasSuffix(".ko") { return .module(try ModuleDigest(all: digestsAll)) }
    guard entry.size <= keptLimit else { return .plain }
    switch kind {
    case .image: return .image
    case .module: return .packedModule
    case .configuration, nil:
      return Provenance.isPath(entry.path) && entry.size <= provenanceLimit ? .provenance : .plain
    }
  }

  mutating func feed(_ bytes: UnsafeRawBufferPointer) throws {
    if isFirst { recognizeImage(bytes) }
    try md5.update(bytes)
    try sha256.update(bytes)
    switch handling {
    case .plain: break
    case .module(var digest):
      // Drop the other reference, so that feeding does not copy the bytes that are held back.
      handling = .plain
      try digest.feed(bytes)
      handling = .module(digest)
    case .image, .packedModule, .provenance: kept.append(contentsOf: bytes)
    }
  }

  /// Attached signatures can be those of EFI images with any name; all of them start with `MZ`.
  private mutating func recognizeImage(_ bytes: UnsafeRawBufferPointer) {
    isFirst = false
    guard case .plain = handling, entry.kind == .file, entry.size <= Self.keptLimit else { return }
    if bytes.starts(with: "MZ".utf8) { handling = .image }
  }

  mutating func finish() throws -> SurveyedFile {
    SurveyedFile(entry: entry, md5: try md5.finish(), sha256: try sha256.finish(), content: content())
  }

  private func content() -> SurveyedFile.Content {
    do {
      switch handling {
      case .plain: return .plain
      case .module(var digest): return .module(try digest.finish())
      case .image: return .image(try SurveyedImage(kept))
      case .provenance: return .provenance(kept)
      case .packedModule:
        var digest = try ModuleDigest(all: digestsAll)
        try CompressedStream(kept).forEachChunk(limit: Self.moduleLimit) { try digest.feed($0) }
        return .module(try digest.finish())
      }
    } catch {
      return .unreadable(Message(error))
    }
  }
}

/// An entry of the data archive: its metadata, digests and signatures.
struct SurveyedFile: Sendable {
  enum Content: Sendable {
    case plain
    case image(SurveyedImage)
    case module(SurveyedModule)
    /// The text of a provenance file.
    case provenance([UInt8])
    /// An image or module that cannot be parsed, and why.
    case unreadable(Message)
  }

  let entry: TarEntry
  let md5: [UInt8]
  let sha256: [UInt8]
  let content: Content

  /// As Installed-Size counts: the size of a file in KiB, rounded up; one for anything else.
  var kibibytes: Int { entry.kind == .file ? entry.size / 1024 + (entry.size % 1024 == 0 ? 0 : 1) : 1 }
}

/// Digest and signatures of a kernel image.
struct SurveyedImage: Sendable {
  /// The Authenticode digest with SHA-256, which excludes signatures; of an unsigned image as it will be signed.
  let digest: [UInt8]
  /// The entries of the certificate table.
  let entries: [CertificateTable.Entry]
  /// In the order of `entries`.
  let signatures: [ImageSignature]

  init(_ content: [UInt8]) throws {
    let image = try SignedImage(parsing: content)
    digest = try image.digest(.sha256, of: content, as: .signing)
    if let defect = image.table.defect { throw defect }
    entries = image.table.entries
    signatures = try image.signatures(in: content)
  }
}

/// Digests and signature of a kernel module.
struct SurveyedModule: Sendable {
  /// SHA-256 of the module without its trailer.
  let contentDigest: [UInt8]
  /// Nil for a module without a signature.
  let trailer: ModuleTrailer?
  /// Of the module without its trailer, with every algorithm that signatures use; empty unless asked for.
  let digests: [DigestAlgorithm: [UInt8]]
}

/// Digests a module without its trailer, given piece by piece.
///
/// The trailer at the end states its own size, so the last bytes are held back until the module is complete.
private struct ModuleDigest {
  private let algorithms: [DigestAlgorithm]
  private let digests: [RunningDigest]
  /// The bytes that are held back.
  private var tail: [UInt8] = []
  private var count = 0

  /// Uses SHA-256, and if `all` also the other algorithms that signatures use.
  init(all: Bool) throws {
    algorithms = all ? DigestAlgorithm.forSignatures : [.sha256]
    digests = try algorithms.map { try RunningDigest($0) }
  }

  mutating func feed(_ bytes: UnsafeRawBufferPointer) throws {
    count += bytes.count
    tail.append(contentsOf: bytes)
    if tail.count > 8 * ModuleTrailer.sizeLimit { try release(tail.count - ModuleTrailer.sizeLimit) }
  }

  private mutating func release(_ count: Int) throws {
    try tail.withUnsafeBytes { bytes in
      for digest in digests { try digest.update(UnsafeRawBufferPointer(rebasing: bytes[..<count])) }
    }
    tail.removeFirst(count)
  }

  /// Throws `ParseError` for a trailer that the kernel rejects.
  mutating func finish() throws -> SurveyedModule {
    if tail.count > ModuleTrailer.sizeLimit { try release(tail.count - ModuleTrailer.sizeLimit) }
    let trailer = try ModuleTrailer(tail: tail, ofModuleWith: count)
    try release((trailer?.contentCount ?? count) - (count - tail.count))
    var results: [DigestAlgorithm: [UInt8]] = [:]
    for (algorithm, digest) in zip(algorithms, digests) { results[algorithm] = try digest.finish() }
    return SurveyedModule(
      contentDigest: results[.sha256] ?? [], trailer: trailer, digests: algorithms.count > 1 ? results : [:])
  }
}
