// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
package import Messages

/// The entries of type 1 on a partition, and how to be rid of those that proxmox-boot-tool made.
package struct TypeOneEntries: Hashable, Sendable {
  /// By path; kernels without an entry last.
  package var entries: [TypeOneEntry] = []
  /// What was passed over, a sentence each.
  package var notes: [Message] = []

  /// Files and then the directories that they leave empty, from the root of the partition.
  package enum Removal: Hashable, Sendable {
    case file(String)
    case directory(String)
  }

  /// More than any menu shows.
  private static let countLimit = 512
  /// Bytes of one entry; they have a few hundred.
  private static let sizeLimit = 1 << 16

  private init() {}

  /// Looks through a partition. What cannot be read or is no entry is passed over with a note. Throws `HostError` if a
  /// directory cannot be read.
  package static func survey(on files: FileSystem) throws -> TypeOneEntries {
    var found = TypeOneEntries()
    // As systemd-boot chooses them.
    let names = try (files.list(TypeOneEntry.directory) ?? []).filter { name in
      !name.hasPrefix(".") && !name.hasPrefix("auto-") && name.lowercased().hasSuffix(".conf")
    }
    for name in names.prefix(countLimit) { found.add("\(TypeOneEntry.directory)/\(name)", files) }
    if names.count > countLimit {
      found.notes.append(
        "\(files.display(TypeOneEntry.directory)) holds \(names.count) entries; the first \(countLimit) are looked at")
    }
    let versions = try (files.list(TypeOneEntry.proxmoxDirectory) ?? []).compactMap { Kernel(release: $0)?.release }
    let named = Set(found.entries.compactMap { TypeOneEntry.proxmoxVersion(ofFile: $0.program) })
    for version in versions.prefix(countLimit) where !named.contains(version) {
      // What an interrupted removal left of it counts, too.
      if try files.isDirectory("\(TypeOneEntry.proxmoxDirectory)/\(version)") {
        found.entries.append(TypeOneEntry(proxmoxVersion: version))
      }
    }
    return found
  }

  private mutating func add(_ path: String, _ files: FileSystem) {
    do {
      guard let content = try files.readFileIfPresent(path, limit: Self.sizeLimit) else { return }
      if let entry = TypeOneEntry(parsing: content, path: path) { entries.append(entry) }
    } catch {
      notes.append("\(error); it is passed over")
    }
  }

  /// What is to be removed to be rid of proxmox-boot-tool's entries: each entry before its kernel and initrd, so that a
  /// kill leaves no entry that leads nowhere, and their directory only if it holds nothing else. Entries of others stay:
  /// they may start another system. Nothing is removed if something was passed over, since that may need the files.
  /// Throws `HostError` if a directory cannot be read.
  package func removalPlan(on files: FileSystem) throws -> [Removal] {
    guard notes.isEmpty else { return [] }
    let own = entries.filter(\.isOfProxmox)
    var removals = own.compactMap(\.path).map { Removal.file($0) }
    // A file that an entry which stays needs, stays.
    let needed = Set(entries.filter { !$0.isOfProxmox }.flatMap { [$0.program] + $0.initrds }.map { $0.lowercased() })
    for version in Set(own.compactMap { TypeOneEntry.proxmoxVersion(ofFile: $0.program) }).sorted() {
      let directory = "\(TypeOneEntry.proxmoxDirectory)/\(version)"
      let names = try files.list(directory) ?? []
      let removable = ["vmlinuz-\(version)", "initrd.img-\(version)"].filter { name in
        names.contains(name) && !needed.contains("\(directory)/\(name)".lowercased())
      }
      removals += removable.map { .file("\(directory)/\($0)") }
      if names.allSatisfy(removable.contains) { removals.append(.directory(directory)) }
    }
    return removals
  }

  /// Carries out a step of the plan. No change if it is done already.
  package static func perform(_ removal: Removal, on files: FileSystem) throws {
    switch removal {
    case .file(let path): try files.remove(path)
    case .directory(let path): try files.removeDirectory(path)
    }
  }
}
