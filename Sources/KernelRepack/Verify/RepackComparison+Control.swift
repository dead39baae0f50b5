// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import DebianArchive
internal import DebianPackage
internal import Messages

extension RepackComparison {
  /// The new package's name, if it is another one.
  var newName: String? {
    original.identity.package == repacked.identity.package ? nil : repacked.identity.package
  }

  /// Everything but control and md5sums has to be there byte for byte.
  mutating func compareControlFiles() {
    let (old, new) = (original.controlFiles, repacked.controlFiles)
    let oldPaths = old.map(\.entry.path)
    let newPaths = new.map(\.entry.path)
    for path in newPaths where !oldPaths.contains(path) { object(.controlFile, path, "it was added") }
    for path in oldPaths where !newPaths.contains(path) { object(.controlFile, path, "it was left out") }
    if newPaths.filter(oldPaths.contains) != oldPaths.filter(newPaths.contains) {
      object(.order, "control.tar", "its files stand in another order")
    }
    for file in new {
      guard let before = old.first(where: { $0.entry.path == file.entry.path }) else { continue }
      if let difference = Self.metadataDifference(before.entry, file.entry) ?? rawNameDifference(before, file) {
        object(.metadata, file.entry.path, difference)
      } else if before.content == file.content {
        countEqual()
      } else if file.entry.path != "control", file.entry.path != "md5sums" {
        object(.controlFile, file.entry.path, "its content is another")
      }
    }
  }

  private func rawNameDifference(_ old: PackageSurvey.ControlFile, _ new: PackageSurvey.ControlFile) -> Message? {
    old.entry.rawName == new.entry.rawName ? nil : "its name is written in another way"
  }

  /// Fields: those that repacking changes, and how; all others have to be as they were.
  mutating func compareFields() {
    let (old, new) = (original.stanza, repacked.stanza)
    for name in old.names where new[name] == nil { object(.controlField, name, "it was left out") }
    for name in new.names {
      guard let value = new[name], old[name] != value else { continue }
      if isExpected(name, from: old[name], to: value) {
        let before = old[name].map { Self.firstLine($0) }
        let after = Self.firstLine(value)
        expect(.controlField, name, before.map { "\(after); it was \($0)" } ?? "\(after); it was added")
      } else {
        object(.controlField, name, "\(Self.firstLine(value)) is not what repacking makes of it")
      }
    }
    if new.names.filter({ old[$0] != nil }) != old.names.filter({ new[$0] != nil }) {
      object(.order, "control", "its fields stand in another order")
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
    case "Provides", "Conflicts", "Replaces":
      return newName != nil && areExpectedRelations(old ?? "", new)
    default: return false
    }
  }

  /// By how many KiB the files grew, as Installed-Size counts.
  private var growth: Int {
    repacked.files.reduce(0) { $0 + $1.kibibytes } - original.files.reduce(0) { $0 + $1.kibibytes }
  }

  /// Lines are added at the end; a package with another name may be called signed in the first.
  private func isExpectedDescription(_ old: String, _ new: String) -> Bool {
    var lines = old.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let newLines = new.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if newName != nil, newLines.first == lines[0] + " (signed)" { lines[0] += " (signed)" }
    let added = newLines.dropFirst(lines.count)
    return newLines.starts(with: lines) && added.count == 2 && added.first == " ."
      && added.last?.hasPrefix(" Repacked with signatures of ") == true
  }

  /// The old name comes in; only the name that Proxmox's kernels had before version 8 goes.
  private func areExpectedRelations(_ old: String, _ new: String) -> Bool {
    let (before, after) = (Self.items(old), Self.items(new))
    let package = original.identity.package
    let allowed = [package, "\(package) (= \(repacked.identity.version))"]
    return after.allSatisfy { before.contains($0) || allowed.contains($0) }
      && before.allSatisfy { after.contains($0) || $0.hasPrefix("pve-kernel-") }
  }

  private static func items(_ value: String) -> [String] {
    value.split(separator: ",").map { item in
      let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 || byte == 0x0a }
      return String(
        decoding: Array(item.utf8.drop(while: isBlank).reversed().drop(while: isBlank).reversed()), as: UTF8.self)
    }
  }
}
