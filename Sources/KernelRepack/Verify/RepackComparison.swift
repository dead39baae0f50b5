// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import DebianArchive
internal import DebianPackage
internal import Messages

/// Compares a repacked package with its original, from the ar archive down to md5sums.
///
/// Every difference becomes a finding, expected or a problem.
struct RepackComparison {
  let original: PackageSurvey
  let repacked: PackageSurvey
  /// Certificates that new signatures must be by; empty if any signer is accepted.
  let anchors: [Certificate]
  private(set) var findings: [RepackFinding] = []
  /// Entries of the control and data archives without any difference.
  private(set) var equalCount = 0

  /// Directories with subdirectories or files named after the package.
  private static let namedDirectories = ["usr/share/doc/", "usr/share/bug/", "usr/share/lintian/overrides/"]

  init(original: PackageSurvey, repacked: PackageSurvey, anchors: [Certificate]) {
    self.original = original
    self.repacked = repacked
    self.anchors = anchors
  }

  mutating func run() throws {
    compareMembers()
    compareControlFiles()
    compareFields()
    compareSums()
    try compareFiles()
    checkSums(of: original, named: "the original's")
    checkSums(of: repacked, named: "the repacked package's")
    checkListing()
    let hasNewSignature = findings.contains { $0.kind == .imageSignature || $0.kind == .moduleSignature }
    if !anchors.isEmpty, !hasNewSignature {
      addProblem(.imageSignature, at: repacked.identity.package, detail: "no file has a new signature")
    }
  }

  /// Adds a difference that repacking makes.
  ///
  /// `detail` is the rest of a sentence about `subject`.
  mutating func addExpected(
    _ kind: RepackFinding.Kind, at subject: some CustomStringConvertible, detail: Message
  ) {
    findings.append(RepackFinding(kind: kind, isExpected: true, subject: subject.description, detail: detail))
  }

  /// Adds a difference that repacking does not make.
  mutating func addProblem(
    _ kind: RepackFinding.Kind, at subject: some CustomStringConvertible, detail: Message
  ) {
    findings.append(RepackFinding(kind: kind, isExpected: false, subject: subject.description, detail: detail))
  }

  // MARK: - Renamed packages

  /// The name of the repacked package, if it differs from the original's.
  private var newName: String? {
    original.identity.package == repacked.identity.package ? nil : repacked.identity.package
  }

  /// The path that a path of the original has in the repacked package, which may have another name.
  private func renamed(_ path: ArchivePath) -> ArchivePath {
    guard let newName, let directory = Self.namedDirectories.first(where: { path.hasPrefix($0) }) else { return path }
    let rest = path.bytes.dropFirst(directory.utf8.count)
    let name = rest.prefix { $0 != UInt8(ascii: "/") }
    guard name.elementsEqual(original.identity.package.utf8) else { return path }
    return ArchivePath(normalizing: Array(directory.utf8) + Array(newName.utf8) + rest.dropFirst(name.count))
  }

  // MARK: - The ar archive

  private mutating func compareMembers() {
    for (old, new) in [
      (original.layout.control, repacked.layout.control), (original.layout.data, repacked.layout.data),
    ] {
      if old.compression != new.compression {
        addExpected(.compression, at: new.member.name, detail: "it was \(old.member.name)")
      }
      if old.member.attributes != new.member.attributes {
        addProblem(.member, at: new.member.name, detail: "its time, owner or mode in the archive changed")
      }
    }
    if original.layout.version != repacked.layout.version {
      addProblem(
        .member, at: "debian-binary", detail: "it contains \(repacked.layout.version), not \(original.layout.version)")
    }
    let (old, new) = (original.layout.extraMembers.map(\.name), repacked.layout.extraMembers.map(\.name))
    let (oldNames, newNames) = (Set(old), Set(new))
    for name in old where !newNames.contains(name) {
      if name.hasPrefix("_gpg") {
        addExpected(
          .member, at: name, detail: "the signature of the whole package was removed, because repacking invalidates it")
      } else {
        addProblem(.member, at: name, detail: "it was removed")
      }
    }
    for name in new where !oldNames.contains(name) { addProblem(.member, at: name, detail: "it was added") }
  }

  /// The first difference between two entries apart from name, size and content; nil if these are equal.
  private func metadataDifference(_ old: TarEntry, _ new: TarEntry) -> Message? {
    if old.kind != new.kind { return "its type changed" }
    if old.mode != new.mode {
      return "its permissions are \(String(new.mode, radix: 8)), not \(String(old.mode, radix: 8))"
    }
    if (old.owner, old.group, old.ownerName, old.groupName) != (new.owner, new.group, new.ownerName, new.groupName) {
      return "its owner or group changed"
    }
    if old.modified != new.modified { return "its time is \(new.modified), not \(old.modified)" }
    // A hard link leads to another entry, which may be renamed.
    let isSameLink = old.kind == .hardLink ? renamed(old.linkPath) == new.linkPath : old.rawLink == new.rawLink
    if !isSameLink { return "it points to \(new.linkPath), not to \(old.linkPath)" }
    if old.device != new.device { return "its device number changed" }
    if old.paxRecords != new.paxRecords { return "its pax records changed" }
    return nil
  }

  // MARK: - The control archive

  /// All files except `control` and `md5sums` must be identical.
  private mutating func compareControlFiles() {
    let (old, new) = (original.controlFiles, repacked.controlFiles)
    let before = Dictionary(old.map { ($0.entry.path, $0) }) { first, _ in first }
    let after = Set(new.map(\.entry.path))
    for file in new where before[file.entry.path] == nil {
      addProblem(.controlFile, at: file.entry.path, detail: "it was added")
    }
    for file in old where !after.contains(file.entry.path) {
      addProblem(.controlFile, at: file.entry.path, detail: "it was removed")
    }
    let keptOld = old.map(\.entry.path).filter { after.contains($0) }
    if new.map(\.entry.path).filter({ before[$0] != nil }) != keptOld {
      addProblem(.order, at: "control.tar", detail: "the order of its files changed")
    }
    for file in new {
      guard let before = before[file.entry.path] else { continue }
      if let difference = metadataDifference(before.entry, file.entry) ?? rawNameDifference(before, file) {
        addProblem(.metadata, at: file.entry.path, detail: difference)
      } else if before.content == file.content {
        equalCount += 1
      } else if file.entry.path != "control", file.entry.path != "md5sums" {
        addProblem(.controlFile, at: file.entry.path, detail: "its content changed")
      }
    }
  }

  private func rawNameDifference(_ old: PackageSurvey.ControlFile, _ new: PackageSurvey.ControlFile) -> Message? {
    old.entry.rawName == new.entry.rawName ? nil : "its name is written differently"
  }

  /// The fields of `control` must differ only where repacking changes them, and only as it changes them.
  private mutating func compareFields() {
    let (old, new) = (original.stanza, repacked.stanza)
    for name in old.names where new[name] == nil { addProblem(.controlField, at: name, detail: "it was removed") }
    for name in new.names {
      guard let value = new[name], old[name] != value else { continue }
      if isExpected(name, from: old[name], to: value) {
        let before = old[name].map { Self.firstLine($0) }
        let after = Self.firstLine(value)
        addExpected(
          .controlField, at: name, detail: before.map { "\(after); it was \($0)" } ?? "\(after); it was added")
      } else {
        addProblem(.controlField, at: name, detail: "unexpected value: \(Self.firstLine(value))")
      }
    }
    if new.names.filter({ old[$0] != nil }) != old.names.filter({ new[$0] != nil }) {
      addProblem(.order, at: "control", detail: "the order of its fields changed")
    }
  }

  private static func firstLine(_ value: String) -> String {
    let line = value.utf8.prefix { $0 != 0x0a }
    return line.count == value.utf8.count ? value : "\(String(decoding: line, as: UTF8.self)) …"
  }

  private func isExpected(_ name: String, from old: String?, to new: String) -> Bool {
    switch name {
    case "Version":
      guard let old, new.hasPrefix(old) else { return false }
      return DebianVersion(old) < DebianVersion(new)
    case "Installed-Size":
      guard let old = old.flatMap({ Int($0) }), let new = Int(new) else { return false }
      return new == max(0, old + growth)
    case "Description": return isExpectedDescription(old ?? "", new)
    case "Source":
      let source = old ?? original.identity.package
      return new == "\(source) (\(original.identity.version))"
    case "Package": return newName != nil
    case "Provides": return areExpectedRelations(old ?? "", new, added: providedNames)
    case "Conflicts", "Replaces":
      return newName != nil && areExpectedRelations(old ?? "", new, added: [original.identity.package])
    default: return false
    }
  }

  /// By how many KiB the files grew, as Installed-Size counts them.
  private var growth: Int {
    repacked.files.reduce(0) { $0 + $1.kibibytes } - original.files.reduce(0) { $0 + $1.kibibytes }
  }

  /// Repacking adds lines at the end.
  ///
  /// In a renamed package it may add `(signed)` to the first line.
  private func isExpectedDescription(_ old: String, _ new: String) -> Bool {
    var lines = old.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let newLines = new.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if newName != nil, newLines.first == lines[0] + " (signed)" { lines[0] += " (signed)" }
    let added = newLines.dropFirst(lines.count)
    return newLines.starts(with: lines) && added.count == 2 && added.first == " ."
      && added.last?.hasPrefix(" Repacked with signatures of ") == true
  }

  /// What repacking adds to Provides.
  private var providedNames: [String] {
    let (package, version) = (original.identity.package, original.identity.version)
    return ["\(package) (= \(version))"] + (newName.map { ["\($0) (= \(version))", package] } ?? [])
  }

  /// Repacking adds some items.
  ///
  /// In a renamed package it removes at most pve-kernel-…, the names of kernels before Proxmox VE 8.
  private func areExpectedRelations(_ old: String, _ new: String, added: [String]) -> Bool {
    let (before, after) = (Set(Self.items(old)), Set(Self.items(new)))
    return after.allSatisfy { before.contains($0) || added.contains($0) }
      && before.allSatisfy { after.contains($0) || newName != nil && $0.hasPrefix("pve-kernel-") }
  }

  private static func items(_ value: String) -> [String] {
    value.split(separator: ",").map { item in
      let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 || byte == 0x0a }
      return String(
        decoding: Array(item.utf8.drop(while: isBlank).reversed().drop(while: isBlank).reversed()), as: UTF8.self)
    }
  }

  // MARK: - The data archive

  /// Compares the entries of the data archives, in the order of the repacked one.
  ///
  /// A directory may have several entries; they are compared in order.
  private mutating func compareFiles() throws {
    var waiting: [ArchivePath: ArraySlice<Int>] = [:]
    for (index, file) in original.files.enumerated() { waiting[renamed(file.entry.path), default: []].append(index) }
    var order: [Int] = []
    for file in repacked.files {
      guard let index = waiting[file.entry.path]?.popFirst() else {
        addFile(file)
        continue
      }
      order.append(index)
      try compare(original.files[index], with: file)
    }
    for index in waiting.values.flatMap({ $0 }).sorted() {
      addProblem(.fileRemoved, at: original.files[index].entry.path, detail: "it was removed")
    }
    if zip(order, order.dropFirst()).contains(where: { $0 >= $1 }) {
      addProblem(.order, at: "data.tar", detail: "the order of its files changed")
    }
  }

  private mutating func compare(_ old: SurveyedFile, with new: SurveyedFile) throws {
    let path = new.entry.path
    if let difference = metadataDifference(old.entry, new.entry) {
      return addProblem(.metadata, at: path, detail: difference)
    }
    if old.entry.path != path {
      addExpected(.fileRenamed, at: path, detail: "it was \(old.entry.path)")
    } else if old.entry.rawName != new.entry.rawName {
      addProblem(.metadata, at: path, detail: "its name is written differently")
    }
    guard old.sha256 != new.sha256 else {
      equalCount += 1
      return
    }
    switch (old.content, new.content) {
    case (.image(let before), .image(let after)): try compare(before, with: after, at: path)
    case (.module(let before), .module(let after)): try compare(before, with: after, at: path)
    case (_, .unreadable(let reason)):
      addProblem(.content, at: path, detail: "its content changed and cannot be parsed: \(reason)")
    default: addProblem(.content, at: path, detail: "its content changed")
    }
  }

  private mutating func addFile(_ file: SurveyedFile) {
    let entry = file.entry
    let directory = ArchivePath("usr/share/doc/\(repacked.identity.package)")
    let isRoot = (entry.owner, entry.group) == (0, 0)
    switch entry.kind {
    case .file where Provenance.isPath(entry.path) && entry.path.parents.first == directory:
      guard case .provenance(let text) = file.content, isRoot, entry.mode == 0o644 else {
        return addProblem(
          .fileAdded, at: entry.path, detail: "it was added, but with unexpected size, owner or permissions")
      }
      addExpected(.fileAdded, at: entry.path, detail: "the provenance file was added")
      checkProvenance(text, at: entry.path)
    case .directory where entry.path == directory || directory.parents.contains(entry.path):
      guard isRoot, entry.mode == 0o755 else { fallthrough }
      addExpected(.fileAdded, at: entry.path, detail: "the directory of the provenance file was added")
    default: addProblem(.fileAdded, at: entry.path, detail: "it was added")
    }
  }

  /// The provenance file must match these two packages.
  private mutating func checkProvenance(_ text: [UInt8], at path: ArchivePath) {
    guard let stanza = try? ControlStanza(parsing: text) else {
      return addProblem(.provenance, at: path, detail: "it cannot be parsed")
    }
    if stanza["Input-SHA256"] != original.sha256.hexadecimal {
      addProblem(.provenance, at: path, detail: "its Input-SHA256 does not match the original")
    }
    for line in (stanza["Signed-Images"] ?? "").split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 2)
      guard words.count == 3, let old = digest(words[2], in: original), let new = digest(words[2], in: repacked),
        words[0] == old, words[1] == new
      else {
        return addProblem(
          .provenance, at: path, detail: "its line about a signed image is wrong: \(String(line))")
      }
    }
  }

  private func digest(_ path: Substring, in package: PackageSurvey) -> String? {
    package.file(at: ArchivePath(String(path)))?.sha256.hexadecimal
  }

  // MARK: - md5sums

  /// No line of md5sums may be missing, and the lines must be in the same order.
  private mutating func compareSums() {
    guard let old = original.sums, let new = repacked.sums else { return }
    let oldPaths = old.paths.map { renamed($0) }
    let known = Set(oldPaths)
    let kept = Set(new.paths)
    for path in oldPaths where !kept.contains(path) { addProblem(.md5sums, at: path, detail: "its line was removed") }
    // The lines of renamed files are sorted by their new paths.
    if newName == nil, new.paths.filter(known.contains) != oldPaths.filter(kept.contains) {
      addProblem(.md5sums, at: "md5sums", detail: "the order of its lines changed")
    }
  }

  /// The files of a package must match its own md5sums, which messages call `whose` md5sums.
  private mutating func checkSums(of package: PackageSurvey, named whose: Message) {
    guard let sums = package.sums else { return }
    for path in sums.paths {
      guard let md5 = package.file(at: path)?.md5 else {
        addProblem(.md5sums, at: path, detail: "\(whose) md5sums lists it, but the file is missing")
        continue
      }
      if sums.digest(of: path) != md5 {
        addProblem(.md5sums, at: path, detail: "its content does not match \(whose) md5sums")
      }
    }
  }

  /// Every changed or added file must be listed, if the package has md5sums.
  ///
  /// Configuration files are listed in neither package.
  private mutating func checkListing() {
    guard let sums = repacked.sums else { return }
    let listed = Set(original.sums?.paths.map { renamed($0) } ?? [])
    let known = Set(original.files.map { renamed($0.entry.path) })
    for file in repacked.files where file.entry.kind == .file && sums.digest(of: file.entry.path) == nil {
      if listed.contains(file.entry.path) || !known.contains(file.entry.path) {
        addProblem(.md5sums, at: file.entry.path, detail: "it is missing from the repacked package's md5sums")
      }
    }
  }
}
