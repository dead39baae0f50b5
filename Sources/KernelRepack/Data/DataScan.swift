// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import DebianArchive
internal import Messages

/// Watches the data archive go by, and keeps what is to be signed.
struct DataScan {
  /// Which contents are kept.
  enum Interest: Sendable {
    case image
    case module
    /// A kernel's configuration, which says how its modules are signed.
    case configuration
  }

  struct File: Sendable {
    let entry: TarEntry
    let interest: Interest
    let content: [UInt8]
  }

  /// The largest file that is held in memory, in bytes; kernels and modules have a tenth.
  static let fileLimit = 128 << 20

  private let interest: @Sendable (TarEntry) -> Interest?
  private let checksAll: Bool
  private var reader: TarReader
  private var names = TarNames()
  private var current: (entry: TarEntry, interest: Interest?)?
  private var content: [UInt8] = []
  private var digest: RunningDigest?
  /// End of the last entry, where the next one begins.
  private var boundary: Int

  /// What came to its end since this was emptied last.
  private var files: [File] = []
  /// MD5 of every regular file, by all its names, if all are to be checked.
  private(set) var digests: [ArchivePath: [UInt8]] = [:]
  /// Directories, and what is something else, by its path.
  private(set) var kinds: [ArchivePath: TarEntry.Kind] = [:]
  /// Entries that bear the package's name, since this was emptied last.
  private var renamed: [TarEntry] = []
  private let isRenamed: @Sendable (ArchivePath) -> Bool

  init(
    startingAt offset: Int = 0, checksAll: Bool, isRenamed: @escaping @Sendable (ArchivePath) -> Bool = { _ in false },
    interest: @escaping @Sendable (TarEntry) -> Interest?
  ) {
    reader = TarReader(startingAt: offset)
    boundary = offset
    self.checksAll = checksAll
    self.isRenamed = isRenamed
    self.interest = interest
  }

  /// Where the zero blocks begin, once they were seen.
  var endOfArchive: Int? { reader.endOfArchive }

  /// No edit will be made of the text before this offset, apart from those of `files`.
  var settled: Int {
    guard let current else { return boundary }
    return current.interest == nil ? reader.offset : current.entry.start
  }

  /// Throws `ParseError` for an archive that is none or is unsafe to unpack; `CryptoError`.
  mutating func feed(_ bytes: UnsafeRawBufferPointer) throws {
    var reader = reader
    try reader.feed(bytes) { try take($0) }
    self.reader = reader
  }

  /// Where another entry can be put. Throws `ParseError` if the archive is not complete.
  mutating func finish() throws -> Int { try reader.finish() }

  /// Hands over the files, and forgets them.
  mutating func takeFiles() -> [File] {
    defer { files = [] }
    return files
  }

  /// Hands over the entries to be renamed, and forgets them.
  mutating func takeRenamed() -> [TarEntry] {
    defer { renamed = [] }
    return renamed
  }

  private mutating func take(_ event: TarEvent) throws {
    switch event {
    case .entry(let entry):
      try names.admit(entry)
      let interest = entry.kind == .file ? interest(entry) : nil
      guard interest == nil || entry.size <= Self.fileLimit else {
        throw ParseError(
          "tar", at: entry.headerOffset, .range, "\(entry.path) has \(entry.size) bytes, too many for what it is")
      }
      current = (entry, interest)
      if interest != nil { content.reserveCapacity(entry.size) }
      if checksAll, entry.kind == .file { digest = try RunningDigest(.md5) }
      if isRenamed(entry.path) { renamed.append(entry) }
      kinds[entry.path] = entry.kind
    case .content(let bytes):
      if current?.interest != nil { content.append(contentsOf: bytes) }
      try digest?.update(bytes)
    case .endOfEntry:
      guard let current else { return }
      boundary = current.entry.end
      if let digest { digests[current.entry.path] = try digest.finish() }
      if checksAll, current.entry.kind == .hardLink { digests[current.entry.path] = digests[current.entry.linkPath] }
      if let interest = current.interest {
        files.append(File(entry: current.entry, interest: interest, content: content))
      }
      (self.current, content, digest) = (nil, [], nil)
    case .endOfArchive: break
    }
  }
}
