// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import DebianArchive
package import Messages

/// A package's control archive, unpacked in memory.
///
/// Only `control` and `md5sums` can be edited.
package struct ControlArchive {
  /// The maximum unpacked size in bytes; a kernel package has about half a megabyte.
  static let limit = 32 << 20

  /// The unpacked tar archive.
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

  /// Throws `ParseError` if `text` is not a tar archive, is unsafe to unpack or has no file `control`.
  package init(text: [UInt8]) throws {
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
            throw ParseError(
              "control archive", at: entry.headerOffset, .unsupported, "\(entry.path) is not a regular file")
          }
          found[entry.path] = File(entry: entry, content: Array(text[entry.contentRange]))
        case .content, .endOfArchive: break
        }
      }
    }
    try reader.finish()
    guard let control = found["control"] else {
      throw ParseError("control archive", at: text.count, .truncated, "the file control is missing")
    }
    self.text = text
    controlFile = control
    sumsFile = found["md5sums"]
    stanza = try ControlStanza(parsing: control.content)
    sums = try sumsFile.map { try MD5Sums(parsing: $0.content) } ?? MD5Sums()
  }

  /// The edits of `text` that replace its stanza, and its md5sums if it has that file.
  func edits(stanza: ControlStanza, sums: MD5Sums) throws(ParseError) -> [ByteEdit] {
    var edits = try controlFile.entry.edits(
      ofContent: ContentEdits.byLine(from: controlFile.content, to: stanza.serialize()))
    if let sumsFile {
      edits += try sumsFile.entry.edits(ofContent: ContentEdits.byLine(from: sumsFile.content, to: sums.serialize()))
    }
    return edits.sorted { $0.range.lowerBound < $1.range.lowerBound }
  }
}

extension ControlStanza {
  /// The stanza of the repacked package.
  ///
  /// `growth` is added to Installed-Size, in KiB; `signer` goes into the description.
  package func repacked(as name: PackageName, growth: Int, signer: String) throws(ParseError) -> ControlStanza {
    var stanza = self
    try stanza.setSource(name)
    try stanza.set("Version", to: name.newVersion)
    if let size = self["Installed-Size"].flatMap({ Int($0) }), size >= 0, size < 1 << 40 {
      try stanza.set("Installed-Size", to: "\(max(0, size + growth))")
    }
    if name.isRenamed { try stanza.set("Package", to: name.new) }
    try stanza.setRelations(name)
    try stanza.describe(name, signer: signer)
    return stanza
  }

  /// Keeps the input's source, with the input's version (Debian Policy 5.6.1), as for a binary-only upload.
  private mutating func setSource(_ name: PackageName) throws(ParseError) {
    let source = self["Source"] ?? name.old
    guard !source.utf8.contains(UInt8(ascii: "(")) else { return }
    try set("Source", to: "\(source) (\(name.oldVersion))", after: "Package")
  }

  /// Declares that the new package is also the original version, and in a renamed package, that it replaces the old one.
  ///
  /// Debian's metapackages depend on `linux-image-K (= V)`, which the new version alone would not satisfy.
  private mutating func setRelations(_ name: PackageName) throws(ParseError) {
    var provided = relations("Provides")
    // Proxmox's own signed packages do not provide pve-kernel-…, the names of kernels before Proxmox VE 8.
    if name.isRenamed, PackageName.isProxmoxKernel(name.old) {
      provided.removeAll { $0.hasPrefix("pve-kernel-") && $0 != name.old }
    }
    let names = name.isRenamed ? [name.old, name.new] : [name.old]
    try setRelations("Provides", provided + names.map { "\($0) (= \(name.oldVersion))" })
    guard name.isRenamed else { return }
    try setRelations("Conflicts", relations("Conflicts") + [name.old])
    try setRelations("Replaces", relations("Replaces") + [name.old])
  }

  /// The items of a relationship field; empty if the stanza does not have it.
  private func relations(_ field: String) -> [String] {
    (self[field] ?? "").split(separator: ",").map { item in
      String(decoding: item.utf8.filter { $0 != 0x0a }, as: UTF8.self).trimmed
    }.filter { !$0.isEmpty }
  }

  private mutating func setRelations(_ field: String, _ items: [String]) throws(ParseError) {
    var seen: Set<String> = []
    let unique = items.filter { seen.insert($0).inserted }
    try set(field, to: unique.joined(separator: ", "), after: "Depends")
  }

  private mutating func describe(_ name: PackageName, signer: String) throws(ParseError) {
    guard let description = self["Description"] else { return }
    var lines = description.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if name.isRenamed, name.new.hasSuffix("-signed"), !lines[0].hasSuffix("(signed)") { lines[0] += " (signed)" }
    let shown = String(String.UnicodeScalarView(signer.unicodeScalars.map { $0.value < 0x20 ? " " : $0 }))
    lines += [" .", " Repacked with signatures of \(shown)."]
    try set("Description", to: lines.joined(separator: "\n"))
  }
}

extension String {
  fileprivate var trimmed: String {
    let blank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
    let trimmed = utf8.drop(while: blank).reversed().drop(while: blank).reversed()
    return String(decoding: Array(trimmed), as: UTF8.self)
  }
}
