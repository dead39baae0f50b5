// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import DebianArchive
internal import HostSystem
internal import Messages

/// The complete contents of a package: the files of the control archive with their content, those of the data archive
/// with their digests and signatures.
struct PackageSurvey: Sendable {
  struct ControlFile: Sendable {
    let entry: TarEntry
    let content: [UInt8]
  }

  let path: String
  /// Of the whole file.
  let sha256: [UInt8]
  let layout: DebLayout
  let controlFiles: [ControlFile]
  let stanza: ControlStanza
  let identity: ControlStanza.Identity
  /// Nil if the package has none.
  let sums: MD5Sums?
  let files: [SurveyedFile]
  private let links: FileNames
  /// Indices into `files` by path.
  let indices: [ArchivePath: Int]

  private static let entryLimit = 1 << 17

  /// Reads the package.
  ///
  /// `digestsModules`: whether signatures of modules will be verified. Throws `HostError` if it cannot be read,
  /// `ParseError` or `CompressionError` if it is damaged or unsafe to unpack.
  init(_ path: String, from fileSystem: FileSystem, digestsModules: Bool) throws {
    let file = try fileSystem.openFile(path)
    let layout = try DebLayout(parsing: file)
    var control: [ControlFile] = []
    var content: [UInt8] = []
    try Self.readEntries(of: layout.control, in: file, limit: ControlArchive.limit) { event in
      switch event {
      case .begin: content = []
      case .bytes(let bytes): content.append(contentsOf: bytes)
      case .end(let entry): control.append(ControlFile(entry: entry, content: content))
      }
    }
    guard let stanza = control.first(where: { $0.entry.path == "control" }) else {
      throw ParseError("control archive", at: 0, .truncated, "the file control is missing")
    }
    var data = try DataSurvey(of: layout.data, in: file, digestsModules: digestsModules)
    let aliases = data.missedAliases
    if !aliases.isEmpty {
      data = try DataSurvey(of: layout.data, in: file, aliases: aliases, digestsModules: digestsModules)
    }
    let digest = try Digest.of(file)
    try file.requireUnchanged()

    self.path = path
    self.layout = layout
    sha256 = digest
    controlFiles = control
    self.stanza = try ControlStanza(parsing: stanza.content)
    identity = try self.stanza.identity()
    sums = try control.first { $0.entry.path == "md5sums" }.map { try MD5Sums(parsing: $0.content) }
    files = data.files
    links = data.links
    indices = [ArchivePath: Int](files.enumerated().map { ($1.entry.path, $0) }) { $1 }
  }

  /// The regular file at a path, hard links followed; nil if there is none.
  func file(at path: ArchivePath) -> SurveyedFile? {
    indices[links.file(at: path)].map { files[$0] }.flatMap { $0.entry.kind == .file ? $0 : nil }
  }

  fileprivate enum Event {
    case begin(TarEntry)
    case bytes(UnsafeRawBufferPointer)
    case end(TarEntry)
  }

  /// Unpacks an archive of at most `limit` bytes and calls `handle` for each entry: at its start, for each piece of
  /// its content, and at its end.
  fileprivate static func readEntries(
    of archive: DebLayout.Archive, in file: any RandomAccessBytes, limit: Int, handle: (Event) throws -> Void
  ) throws {
    var limits = TarLimits()
    limits.entries = entryLimit
    var reader = TarReader(limits: limits)
    var names = TarNames()
    var current: TarEntry?
    try describing(member: archive.member.name) {
      try archive.requireOneStream(in: file, limit: limit)
      try archive.forEachChunk(of: file, limit: limit) { chunk in
        try reader.feed(chunk) { event in
          switch event {
          case .entry(let entry):
            try names.admit(entry)
            current = entry
            try handle(.begin(entry))
          case .content(let bytes): try handle(.bytes(bytes))
          case .endOfEntry: if let entry = current { try handle(.end(entry)) }
          case .endOfArchive: break
          }
        }
      }
      try reader.finish()
    }
  }

  private static func describing(member: String, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as ParseError {
      throw ParseError("\(member): \(error.format)", at: error.offset, error.rule, error.detail)
    }
  }
}

/// The files of a data archive.
private struct DataSurvey {
  private(set) var files: [SurveyedFile] = []
  private(set) var links = FileNames()

  /// `aliases` are files that only a link's name shows to be kernel files.
  init(
    of archive: DebLayout.Archive, in file: any RandomAccessBytes, aliases: [ArchivePath: Alias] = [:],
    digestsModules: Bool
  ) throws {
    var survey: FileSurvey?
    try PackageSurvey.readEntries(of: archive, in: file, limit: archive.textLimit) { event in
      switch event {
      case .begin(let entry):
        links.add(entry)
        survey = try FileSurvey(entry, alias: aliases[entry.path], digestsAll: digestsModules)
      case .bytes(let bytes): try survey?.feed(bytes)
      case .end: if let file = try survey?.finish() { files.append(file) }
      }
    }
  }

  /// Files that were read as other files, although a link with a kernel file's name leads to them.
  var missedAliases: [ArchivePath: Alias] {
    let plain = Set(files.filter { $0.entry.kind == .file && $0.content.isPlain }.map(\.entry.path))
    return links.aliases(isRead: { !plain.contains($0) }) { KernelFiles.kind(of: $0) }
  }
}

extension SurveyedFile.Content {
  fileprivate var isPlain: Bool {
    if case .plain = self { return true }
    return false
  }
}
