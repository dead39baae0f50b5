// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
package import Messages

/// A type 1 entry of the Boot Loader Specification: a text file in `loader/entries` that names a kernel, initrds and a
/// command line on the same ESP.
///
/// Neither the text nor the initrds are signed.
package struct TypeOneEntry: Hashable, Sendable {
  /// From the root of the ESP; nil for a kernel of proxmox-boot-tool without an entry.
  package var path: String?
  package var title: String?
  package var version: String?
  /// What systemd-boot sorts by first; entries without it come last.
  package var sortKey: String?
  package var machineID: String?
  /// In the words of systemd, such as `x64`; nil for any.
  package var architecture: String?
  /// The program it starts, from the root of the ESP.
  package var program: String
  /// From the root of the ESP, in loading order.
  package var initrds: [String] = []
  /// All `options` lines, joined by a space.
  package var options = ""
  /// Whether it starts a kernel with unverified initrds and options, rather than another program (key `efi`).
  package var startsKernel = true
  /// Whether proxmox-boot-tool made it and would recreate it: its kernel is in `EFI/proxmox`.
  package var isOfProxmox: Bool { Self.proxmoxVersion(ofFile: program) != nil }

  package static let directory = "/loader/entries"
  /// The directory in which proxmox-boot-tool keeps a directory for each kernel.
  package static let proxmoxDirectory = "/EFI/proxmox"

  /// Parses an entry; nil if it names no program, since systemd-boot ignores such an entry.
  package init?(parsing content: [UInt8], path: String) {
    let text = LoaderText(parsing: content)
    guard let program = text.settings.last(where: { $0.key == "linux" || $0.key == "efi" }) else { return nil }
    self.path = path
    self.program = Self.normalized(program.value)
    if self.program.isEmpty { return nil }
    startsKernel = program.key == "linux"
    title = text.values(of: "title").last
    version = text.values(of: "version").last
    sortKey = text.values(of: "sort-key").last
    machineID = text.values(of: "machine-id").last
    architecture = text.values(of: "architecture").last
    initrds = text.values(of: "initrd").map(Self.normalized)
    options = text.values(of: "options").joined(separator: " ")
  }

  /// A kernel of proxmox-boot-tool without an entry.
  init(proxmoxVersion version: String) {
    self.version = version
    program = "\(Self.proxmoxDirectory)/\(version)/vmlinuz-\(version)"
    initrds = ["\(Self.proxmoxDirectory)/\(version)/initrd.img-\(version)"]
  }

  /// The version whose directory in `EFI/proxmox` contains the file; nil for a file elsewhere or deeper.
  static func proxmoxVersion(ofFile path: String) -> String? {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 5, "/\(parts[1])/\(parts[2])".lowercased() == proxmoxDirectory.lowercased() else { return nil }
    return Kernel(release: parts[3])?.release
  }

  /// The path in normal form: it starts with a slash and has no double slashes.
  private static func normalized(_ path: String) -> String {
    path.split { $0 == "/" || $0 == "\\" }.map { "/" + $0 }.joined()
  }
}

/// The type 1 entries on an ESP, and how to remove those that proxmox-boot-tool made.
package struct TypeOneEntries: Hashable, Sendable {
  /// By path; kernels without an entry last.
  package var entries: [TypeOneEntry] = []
  /// One message for each skipped file or directory.
  package var notes: [Message] = []
  /// File names in proxmox-boot-tool's directories, by version.
  private var proxmoxFiles: [String: [String]] = [:]

  /// Files, then the directories that become empty; from the root of the ESP.
  package enum Removal: Hashable, Sendable {
    case file(String)
    case directory(String)
  }

  /// More entries than any menu shows.
  private static let countLimit = 512
  /// Bytes of one entry; usual ones have a few hundred.
  private static let sizeLimit = 1 << 16

  private init() {}

  /// Reads the entries of an ESP.
  ///
  /// Files that cannot be read are skipped with a note. Throws `HostError` if a directory cannot be read.
  package static func survey(on files: FileSystem) throws -> TypeOneEntries {
    var found = TypeOneEntries()
    // systemd-boot uses the same filter.
    let names = try (files.list(TypeOneEntry.directory) ?? []).filter { name in
      !name.hasPrefix(".") && !name.hasPrefix("auto-") && name.lowercased().hasSuffix(".conf")
    }
    for name in names.prefix(countLimit) { found.add("\(TypeOneEntry.directory)/\(name)", files) }
    if names.count > countLimit {
      found.notes.append(
        "\(files.display(TypeOneEntry.directory)) has \(names.count) entries; only the first \(countLimit) are read")
    }
    let versions = try (files.list(TypeOneEntry.proxmoxDirectory) ?? []).compactMap { Kernel(release: $0)?.release }
    let named = Set(found.entries.compactMap { TypeOneEntry.proxmoxVersion(ofFile: $0.program) })
    for version in versions.prefix(countLimit) where !named.contains(version) {
      // Also count what an interrupted removal left behind.
      do {
        guard try files.isDirectory("\(TypeOneEntry.proxmoxDirectory)/\(version)") else { continue }
        found.entries.append(TypeOneEntry(proxmoxVersion: version))
      } catch {
        found.notes.append("\(error); skipped")
      }
    }
    for version in found.proxmoxVersions {
      do {
        found.proxmoxFiles[version] = try files.list("\(TypeOneEntry.proxmoxDirectory)/\(version)") ?? []
      } catch {
        found.notes.append("\(error); skipped")
      }
    }
    return found
  }

  private mutating func add(_ path: String, _ files: FileSystem) {
    do {
      guard let content = try files.readFileIfPresent(path, limit: Self.sizeLimit) else { return }
      if let entry = TypeOneEntry(parsing: content, path: path) { entries.append(entry) }
    } catch {
      notes.append("\(error); skipped")
    }
  }

  /// The steps that remove proxmox-boot-tool's entries.
  ///
  /// Each entry is removed before its kernel and initrd, so that an interruption never leaves a dangling entry. A
  /// directory is removed only if it contains nothing else. Entries made by other programs are kept, as they may start
  /// another system. If something was skipped, nothing is removed, since the skipped entry may need the files.
  package var removals: [Removal] {
    guard notes.isEmpty else { return [] }
    let own = entries.filter(\.isOfProxmox)
    var removals = own.compactMap(\.path).map { Removal.file($0) }
    // Keep files that a remaining entry needs.
    let needed = Set(entries.filter { !$0.isOfProxmox }.flatMap { [$0.program] + $0.initrds }.map { $0.lowercased() })
    for version in proxmoxVersions {
      let directory = "\(TypeOneEntry.proxmoxDirectory)/\(version)"
      let names = proxmoxFiles[version] ?? []
      let removable = ["vmlinuz-\(version)", "initrd.img-\(version)"].filter { name in
        names.contains(name) && !needed.contains("\(directory)/\(name)".lowercased())
      }
      removals += removable.map { .file("\(directory)/\($0)") }
      if names.allSatisfy(removable.contains) { removals.append(.directory(directory)) }
    }
    return removals
  }

  /// The versions of proxmox-boot-tool's entries, sorted.
  private var proxmoxVersions: [String] {
    Set(entries.compactMap { TypeOneEntry.proxmoxVersion(ofFile: $0.program) }).sorted()
  }

  /// Executes a step; no change if it is already done.
  ///
  /// Throws `HostError`.
  package static func perform(_ removal: Removal, on files: FileSystem) throws {
    switch removal {
    case .file(let path): try files.remove(path)
    case .directory(let path): try files.removeDirectory(path)
    }
  }
}
