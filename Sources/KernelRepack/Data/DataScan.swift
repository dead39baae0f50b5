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
    let content: [UInt8]
  }

  /// The size limit for a file that is kept, in bytes.
  ///
  /// Kernel images and modules have about a tenth of that.
  static let fileLimit = 128 << 20

  /// Which files are kept, and as what.
  private let kind: @Sendable (TarEntry) -> KernelFiles.Kind?
  private let checksAll: Bool
  private var reader = TarReader()
  private var names = TarNames()
  private var current: (entry: TarEntry, kind: KernelFiles.Kind?)?
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
  /// Entries that must be renamed and were not taken yet.
  private var renamed: [TarEntry] = []
  private let isRenamed: @Sendable (ArchivePath) -> Bool

  init(
    checksAll: Bool, isRenamed: @escaping @Sendable (ArchivePath) -> Bool = { _ in false },
    kind: @escaping @Sendable (TarEntry) -> KernelFiles.Kind?
  ) {
    self.checksAll = checksAll
    self.isRenamed = isRenamed
    self.kind = kind
  }

  /// All edits before this offset are known, apart from those of `files`.
  var settled: Int {
    guard let current else { return boundary }
    return current.kind == nil ? reader.offset : current.entry.start
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
      let kind = entry.kind == .file ? kind(entry) : nil
      guard kind == nil || entry.size <= Self.fileLimit else {
        throw ParseError(
          "tar", at: entry.headerOffset, .range, "\(entry.path) has \(entry.size) bytes; the limit is \(Self.fileLimit)"
        )
      }
      current = (entry, kind)
      if kind != nil { content.reserveCapacity(entry.size) }
      if checksAll, entry.kind == .file { digest = try RunningDigest(.md5) }
      if isRenamed(entry.path) { renamed.append(entry) }
      entryKinds[entry.path] = entry.kind
    case .content(let bytes):
      if current?.kind != nil { content.append(contentsOf: bytes) }
      try digest?.update(bytes)
    case .endOfEntry:
      guard let current else { return }
      boundary = current.entry.end
      if let digest { digests[current.entry.path] = try digest.finish() }
      if checksAll, current.entry.kind == .hardLink { digests[current.entry.path] = digests[current.entry.linkPath] }
      if let kind = current.kind { files.append(File(entry: current.entry, kind: kind, content: content)) }
      (self.current, content, digest) = (nil, [], nil)
    case .endOfArchive: break
    }
  }
}
