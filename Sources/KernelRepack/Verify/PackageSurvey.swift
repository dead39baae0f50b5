// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import DebianArchive
internal import HostSystem
internal import Messages

/// All that a package holds, read from its first byte to its last: files of the control archive as they are, of others what
/// they are and their digests.
struct PackageSurvey: Sendable {
  struct ControlFile: Sendable {
    let entry: TarEntry
    let content: [UInt8]
  }

  let path: String
  let sha256: [UInt8]
  let layout: DebLayout
  let controlFiles: [ControlFile]
  let stanza: ControlStanza
  let identity: ControlStanza.Identity
  /// Nil if the package has none.
  let sums: MD5Sums?
  let files: [SurveyedFile]
  /// Where in `files` a path is.
  let indices: [ArchivePath: Int]

  private static let entryLimit = 1 << 17

  /// Reads the package; `digestsModules` if signatures of modules are to be verified. Throws `HostError`, `ParseError`,
  /// `CompressionError` for one that is damaged, or is not safe to unpack.
  init(_ path: String, from fileSystem: FileSystem, digestsModules: Bool) throws {
    let file = try fileSystem.openFile(path)
    let layout = try DebLayout(parsing: file)
    var control: [ControlFile] = []
    var content: [UInt8] = []
    try Self.read(layout.control, of: file, limit: ControlArchive.limit) { event in
      switch event {
      case .begin: content = []
      case .bytes(let bytes): content.append(contentsOf: bytes)
      case .end(let entry): control.append(ControlFile(entry: entry, content: content))
      }
    }
    guard let stanza = control.first(where: { $0.entry.path == "control" }) else {
      throw ParseError("control archive", at: 0, .truncated, "there is no file control in it")
    }
    var files: [SurveyedFile] = []
    var survey: FileSurvey?
    try Self.read(layout.data, of: file, limit: DataLimits.text(of: layout.data.member.contentRange.count)) { event in
      switch event {
      case .begin(let entry): survey = try FileSurvey(entry, digestsAll: digestsModules)
      case .bytes(let bytes): try survey?.feed(bytes)
      case .end: if let file = try survey?.finish() { files.append(file) }
      }
    }
    var digest = try Digest()
    try TransferBuffer().forEachChunk(of: file, in: 0..<file.count) { try digest.update($0) }
    try file.requireUnchanged()

    self.path = path
    self.layout = layout
    sha256 = try digest.finish()
    controlFiles = control
    self.stanza = try ControlStanza(parsing: stanza.content)
    identity = try self.stanza.identity()
    sums = try control.first { $0.entry.path == "md5sums" }.map { try MD5Sums(parsing: $0.content) }
    self.files = files
    indices = [ArchivePath: Int](files.enumerated().map { ($1.entry.path, $0) }) { $1 }
  }

  /// MD5 of the content that a path leads to, hard links followed; nil if there is no file.
  func md5(of path: ArchivePath) -> [UInt8]? {
    var path = path
    // A link leads to what stands before it, mostly to the file itself.
    for _ in 0..<64 {
      guard let file = indices[path].map({ files[$0] }) else { return nil }
      switch file.entry.kind {
      case .file: return file.md5
      case .hardLink: path = file.entry.linkPath
      default: return nil
      }
    }
    return nil
  }

  private enum Event {
    case begin(TarEntry)
    case bytes(UnsafeRawBufferPointer)
    case end(TarEntry)
  }

  private static func read(
    _ archive: DebLayout.Archive, of file: any RandomAccessBytes, limit: Int, _ handle: (Event) throws -> Void
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
