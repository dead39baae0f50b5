// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import DebianArchive
internal import Messages

/// A package's control archive, unpacked in memory. Only `control` and `md5sums` are ever changed.
struct ControlArchive {
  /// Bytes unpacked; that of a kernel package has half a million.
  static let limit = 64 << 20

  let text: [UInt8]
  let stanza: ControlStanza
  /// Empty if the package has none.
  let sums: MD5Sums
  private let controlFile: File
  private let sumsFile: File?

  private struct File {
    let entry: TarEntry
    let content: [UInt8]
  }

  /// Throws `ParseError` if it is no archive, is not safe to unpack or lacks what every package has.
  init(text: [UInt8]) throws {
    var reader = TarReader()
    var names = TarNames()
    var current: TarEntry?
    var found: [ArchivePath: File] = [:]
    try text.withUnsafeBytes { bytes in
      try reader.feed(bytes) { event in
        switch event {
        case .entry(let entry):
          try names.admit(entry)
          current = entry
        case .endOfEntry:
          guard let entry = current, entry.path == "control" || entry.path == "md5sums" else { return }
          guard entry.kind == .file else {
            throw ParseError("control archive", at: entry.headerOffset, .unsupported, "\(entry.path) is no plain file")
          }
          found[entry.path] = File(entry: entry, content: Array(text[entry.contentRange]))
        case .content, .endOfArchive: break
        }
      }
    }
    try reader.finish()
    guard let control = found["control"] else {
      throw ParseError("control archive", at: text.count, .truncated, "there is no file control in it")
    }
    self.text = text
    controlFile = control
    sumsFile = found["md5sums"]
    stanza = try ControlStanza(parsing: control.content)
    sums = try sumsFile.map { try MD5Sums(parsing: $0.content) } ?? MD5Sums()
  }

  /// What gives the archive this stanza, and these digests where it lists any.
  func edits(stanza: ControlStanza, sums: MD5Sums) throws(ParseError) -> [ByteEdit] {
    var edits = try controlFile.entry.edits(
      ofContent: ContentEdits.byLine(from: controlFile.content, to: stanza.serialize()))
    if let sumsFile {
      edits += try sumsFile.entry.edits(ofContent: ContentEdits.byLine(from: sumsFile.content, to: sums.serialize()))
    }
    return edits.sorted { $0.range.lowerBound < $1.range.lowerBound }
  }
}
