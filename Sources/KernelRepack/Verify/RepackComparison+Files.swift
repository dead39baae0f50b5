// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import DebianArchive
internal import Messages

extension RepackComparison {
  /// Directories and files that bear the package's name.
  private static let namedDirectories = ["usr/share/doc/", "usr/share/bug/", "usr/share/lintian/overrides/"]

  /// What a path of the original is called in a package of another name.
  func renamed(_ path: ArchivePath) -> ArchivePath {
    guard let newName, let directory = Self.namedDirectories.first(where: { path.hasPrefix($0) }) else { return path }
    let rest = path.bytes.dropFirst(directory.utf8.count)
    let name = rest.prefix { $0 != UInt8(ascii: "/") }
    guard name.elementsEqual(original.identity.package.utf8) else { return path }
    return ArchivePath(normalizing: Array(directory.utf8) + Array(newName.utf8) + rest.dropFirst(name.count))
  }

  /// Entries of the data archive, in the order of the repacked one.
  mutating func compareFiles() throws {
    var before: [ArchivePath: SurveyedFile] = [:]
    for file in original.files { before[renamed(file.entry.path)] = file }
    var order: [Int] = []
    for file in repacked.files {
      let path = file.entry.path
      guard let old = before[path] else {
        addFile(file)
        continue
      }
      if let index = original.indices[old.entry.path] { order.append(index) }
      try compare(old, file)
    }
    for file in original.files where repacked.indices[renamed(file.entry.path)] == nil {
      object(.fileRemoved, file.entry.path, "it was left out")
    }
    if zip(order, order.dropFirst()).contains(where: { $0 >= $1 }) {
      object(.order, "data.tar", "its files stand in another order")
    }
  }

  private mutating func compare(_ old: SurveyedFile, _ new: SurveyedFile) throws {
    let path = new.entry.path
    if let difference = Self.metadataDifference(old.entry, new.entry) { return object(.metadata, path, difference) }
    if old.entry.path != path {
      expect(.fileRenamed, path, "it was \(old.entry.path)")
    } else if old.entry.rawName != new.entry.rawName {
      object(.metadata, path, "its name is written in another way")
    }
    guard old.sha256 != new.sha256 else { return countEqual() }
    switch (old.nature, new.nature) {
    case (.image(let before), .image(let after)): try compare(before, after, at: path)
    case (.module(let before), .module(let after)): try compare(before, after, at: path)
    case (_, .unreadable(let reason)): object(.content, path, "its content is another, and \(reason)")
    default: object(.content, path, "its content is another")
    }
  }

  private mutating func addFile(_ file: SurveyedFile) {
    let entry = file.entry
    let directory = ArchivePath("usr/share/doc/\(repacked.identity.package)")
    let isRoot = (entry.owner, entry.group) == (0, 0)
    switch entry.kind {
    case .file where ProvenancePath.isOne(entry.path) && entry.path.parents.first == directory:
      guard case .provenance(let text) = file.nature, isRoot, entry.mode == 0o644 else {
        return object(.fileAdded, entry.path, "it was added, but not as repacking does")
      }
      expect(.fileAdded, entry.path, "it says where the package comes from")
      checkProvenance(text, at: entry.path)
    case .directory where entry.path == directory || directory.parents.contains(entry.path):
      guard isRoot, entry.mode == 0o755 else { fallthrough }
      expect(.fileAdded, entry.path, "the directory of what says where the package comes from")
    default: object(.fileAdded, entry.path, "it was added")
    }
  }

  /// What it says has to be true of these two packages.
  private mutating func checkProvenance(_ text: [UInt8], at path: ArchivePath) {
    guard let stanza = try? ControlStanza(parsing: text) else {
      return object(.provenance, path, "it cannot be read")
    }
    if stanza["Input-SHA256"] != original.sha256.hexadecimal {
      object(.provenance, path, "it names another original")
    }
    for line in (stanza["Signed-Images"] ?? "").split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 2)
      guard words.count == 3, let old = digest(words[2], in: original), let new = digest(words[2], in: repacked),
        words[0] == old, words[1] == new
      else { return object(.provenance, path, "what it says of a signed image does not hold: \(String(line))") }
    }
  }

  private func digest(_ path: Substring, in package: PackageSurvey) -> String? {
    package.indices[ArchivePath(String(path))].map { package.files[$0].sha256.hexadecimal }
  }
}
