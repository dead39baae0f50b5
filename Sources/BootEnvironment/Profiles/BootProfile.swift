// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
internal import Messages

/// A profile of every UKI: the same kernel and initrd with another command line, such as a rescue system.
///
/// `/etc/pve-sb-uki/profiles.d/ID.conf` has the settings of the profile ID, `Key=value`.
package struct BootProfile: Hashable, Sendable {
  /// 1 to 32 lower-case letters, digits and hyphens.
  package let id: String
  /// `Title=`: for menus; nil for the ID.
  package private(set) var title: String?
  /// `Add=`: words that are appended to the command line.
  package private(set) var added: [String] = []
  /// `Remove=`: words that are left out: whole words, or names of parameters with any value.
  package private(set) var removed: [String] = []
  /// `Entry=yes|no`: whether the profile of the kernel that boots first gets a boot entry.
  ///
  /// Default yes. systemd-boot always lists all profiles.
  package private(set) var hasEntry = true

  package static let directory = "/etc/pve-sb-uki/profiles.d"
  private static let suffix = ".conf"
  private static let sizeLimit = 1 << 16

  /// The name in menus: the title, or the ID of a profile without a title.
  package var name: String { title ?? id }

  /// Parses the settings of a profile.
  ///
  /// Throws `BootEnvironmentError` with file and line for an unknown key or an invalid value.
  package init(id: String, parsing content: [UInt8], path: String) throws {
    self.id = id
    for entry in try SettingsFile(parsing: content, path: path).entries {
      func wrong(_ hint: Message) -> BootEnvironmentError {
        BootEnvironmentError(path, line: entry.line, "\(entry.key) has the invalid value '\(entry.value)'", hint: hint)
      }
      switch entry.key {
      case "Title":
        guard !entry.value.utf8.contains(UInt8(ascii: "\"")), entry.value.utf8.count <= 64 else {
          throw wrong("use at most 64 bytes, without quotation marks")
        }
        title = entry.value.isEmpty ? nil : entry.value
      case "Add", "Remove":
        if let problem = CommandLineText.problem(in: entry.value) { throw wrong("\(problem.detail)") }
        let words = CommandLineWord.split(entry.value).map(\.text)
        if entry.key == "Add" { added = words } else { removed = words }
      case "Entry":
        guard let truth = ["yes": true, "no": false, "": true][entry.value] else { throw wrong("use yes or no") }
        hasEntry = truth
      default:
        throw BootEnvironmentError(
          path, line: entry.line, "unknown key '\(entry.key)'", hint: "valid keys: Title, Add, Remove, Entry")
      }
    }
  }

  private init(id: String, title: String, added: [String], removed: [String]) {
    self.id = id
    self.title = title
    self.added = added
    self.removed = removed
    hasEntry = false
  }

  /// Reads the profiles of the host, in byte order of their file names; hidden files and other names are ignored.
  ///
  /// Throws `BootEnvironmentError` if one is invalid or has a reserved ID, `HostError` if it cannot be read.
  package static func load(from files: FileSystem) throws -> [BootProfile] {
    let names = try files.list(directory) ?? []
    return try names.filter { $0.hasSuffix(suffix) && !$0.hasPrefix(".") }.compactMap { name in
      let path = "\(directory)/\(name)"
      let id = String(name.dropLast(suffix.count))
      guard id != trial.id, id != "main" else {
        throw BootEnvironmentError(path, "the ID '\(id)' is reserved", hint: "rename the file")
      }
      guard let content = try files.readFileIfPresent(path, limit: sizeLimit) else { return nil }
      return try BootProfile(id: id, parsing: content, path: path)
    }
  }

  /// The command line of the profile, made from that of the UKI.
  package func commandLine(from base: String) -> String {
    let unwanted = removed.map(CommandLineWord.init)
    let words = CommandLineWord.split(base).filter { word in
      !unwanted.contains { $0.value == nil ? $0.name == word.name : $0 == word }
    }
    return (words.map(\.text) + added).joined(separator: " ")
  }
}

extension BootProfile {
  /// The profile for a trial: a panic restarts the machine, an initrd never waits for a person, and the initrd's scripts
  /// start the watchdog.
  package static let trial = BootProfile(
    id: "trial", title: "trial", added: [guardWord, "panic=30", "rd.shell=0", "rd.emergency=reboot"],
    removed: ["panic", "rd.shell", "rd.emergency"])

  /// Tells the initrd's scripts to start the watchdog.
  package static let guardWord = "pve-sb-uki.guard"

  /// The same words for every boot, for a stub without profiles.
  package static let guards = trial.added.joined(separator: " ")

  /// The words without those that only a trial adds.
  package static func withoutGuards(_ words: [CommandLineWord]) -> [CommandLineWord] {
    guard words.contains(where: { $0.text == guardWord }) else { return words }
    return words.filter { !trial.added.contains($0.text) }
  }
}
