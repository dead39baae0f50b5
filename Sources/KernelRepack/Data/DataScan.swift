// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import DebianArchive
internal import Messages

/// Reads the data archive piece by piece and keeps the files that may have to be signed.
struct DataScan {
  /// A file that was kept.
  struct File: Sendable {
    let entry: TarEntry
    let kind: KernelFiles.Kind
    /// The name that shows the kind; a link's, if the entry has another one.
    let path: ArchivePath
    let content: [UInt8]
  }

  /// The size limit for a file that is kept, in bytes.
  ///
  /// Kernel images and modules have about a tenth of that.
  static let fileLimit = 128 << 20

  /// Which files are kept, and as what.
  private let kind: @Sendable (ArchivePath) -> KernelFiles.Kind?
  /// Files that are kept because of a link's name.
  private let aliases: [ArchivePath: Alias]
  /// Whether a file with several names should be kept under this one.
  private let prefers: @Sendable (ArchivePath) -> Bool
  private let checksAll: Bool
  private var reader = TarReader()
  private var names = TarNames()
  private var current: (entry: TarEntry, alias: Alias?)?
  private var content: [UInt8] = []
  private var digest: RunningDigest?
  /// Offset at which the next entry starts.
  private var boundary = 0

  /// Complete files that were not taken yet.
  private var files: [File] = []
  /// MD5 of every regular file, also by the paths of its hard links; empty unless all files are checked.
  private(set) var digests: [ArchivePath: [UInt8]] = [:]
  /// The kind of each path: directory, file or something else.
  private(set) var entryKinds: [ArchivePath: TarEntry.Kind] = [:]
  /// The names that links give to files.
  private(set) var links = FileNames()
  /// The names under which entries were kept.
  private var kept: [ArchivePath: ArchivePath] = [:]
  /// Entries that must be renamed and were not taken yet.
  private var renamed: [TarEntry] = []
  private let isRenamed: @Sendable (ArchivePath) -> Bool

  init(
    checksAll: Bool, aliases: [ArchivePath: Alias] = [:],
    isRenamed: @escaping @Sendable (ArchivePath) -> Bool = { _ in false },
    prefers: @escaping @Sendable (ArchivePath) -> Bool = { _ in true },
    kind: @escaping @Sendable (ArchivePath) -> KernelFiles.Kind?
  ) {
    self.checksAll = checksAll
    self.aliases = aliases
    self.prefers = prefers
    self.isRenamed = isRenamed
    self.kind = kind
  }

  /// Files that were not kept under a preferred name, although a link has one; complete after `finish`.
  ///
  /// A link comes after its file, so the archive must be read again with these.
  var missedAliases: [ArchivePath: Alias] {
    let (kinds, kept, prefers, kind) = (entryKinds, kept, prefers, kind)
    return links.aliases(
      isRead: { kinds[$0] != .file || kept[$0].map(prefers) ?? false }, kind: { prefers($0) ? kind($0) : nil })
  }

  /// All edits before this offset are known, apart from those of `files`.
  var settled: Int {
    guard let current else { return boundary }
    return current.alias == nil ? reader.offset : current.entry.start
  }

  /// Reads the next bytes of the archive.
  ///
  /// Throws `ParseError` if it is damaged or unsafe to unpack; `CryptoError`.
  mutating func feed(_ bytes: UnsafeRawBufferPointer) throws {
    // With two references, each call would copy what the reader has collected.
    var reader = TarReader()
    swap(&reader, &self.reader)
    defer { self.reader = reader }
    try reader.feed(bytes) { try take($0) }
  }

  /// Returns the offset at which an entry can be added.
  ///
  /// Throws `ParseError` if the archive is incomplete.
  mutating func finish() throws -> Int { try reader.finish() }

  /// Returns the files that were completed since the last call.
  mutating func takeFiles() -> [File] {
    defer { files = [] }
    return files
  }

  /// Returns the entries that must be renamed and were read since the last call.
  mutating func takeRenamed() -> [TarEntry] {
    defer { renamed = [] }
    return renamed
  }

  private mutating func take(_ event: TarEvent) throws {
    switch event {
    case .entry(let entry):
      try names.admit(entry)
      guard entry.kind != .sparseFile else { throw entry.sparseFileError }
      let alias = entry.kind == .file ? alias(for: entry.path) : nil
      guard alias == nil || entry.size <= Self.fileLimit else {
        throw ParseError(
          "tar", at: entry.headerOffset, .range, "\(entry.path) has \(entry.size) bytes; the limit is \(Self.fileLimit)"
        )
      }
      current = (entry, alias)
      links.add(entry)
      if let alias {
        kept[entry.path] = alias.path
        content.reserveCapacity(entry.size)
      }
      if checksAll, entry.kind == .file { digest = try RunningDigest(.md5) }
      if isRenamed(entry.path) || entry.kind == .hardLink && isRenamed(entry.linkPath) { renamed.append(entry) }
      entryKinds[entry.path] = entry.kind
    case .content(let bytes):
      if current?.alias != nil { content.append(contentsOf: bytes) }
      try digest?.update(bytes)
    case .endOfEntry:
      guard let current else { return }
      boundary = current.entry.end
      if let digest { digests[current.entry.path] = try digest.finish() }
      if checksAll, current.entry.kind == .hardLink { digests[current.entry.path] = digests[current.entry.linkPath] }
      if let alias = current.alias {
        files.append(File(entry: current.entry, kind: alias.kind, path: alias.path, content: content))
      }
      (self.current, content, digest) = (nil, [], nil)
    case .endOfArchive: break
    }
  }

  private func alias(for path: ArchivePath) -> Alias? {
    aliases[path] ?? kind(path).map { Alias(kind: $0, path: path) }
  }
}

extension TarEntry {
  /// The error for a sparse file, which dpkg-deb never writes.
  var sparseFileError: ParseError {
    ParseError("tar", at: headerOffset, .unsupported, "\(path) is a sparse file, which dpkg does not support")
  }
}
