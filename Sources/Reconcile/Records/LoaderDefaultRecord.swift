// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem

/// What systemd-boot was told to start, in `/var/lib/pve-sb-uki/loader-default`: by it a value of ours is known from the
/// administrator's, and restored where Proxmox's hook has overwritten it.
///
/// Text, a record a line: `variable TEXT` for each text that the EFI variable has had from us, the last one last, and
/// `esp TEXT NAME` for the default in a partition's `loader.conf`. Other lines are passed over.
package struct LoaderDefaultRecord: Hashable, Sendable {
  /// Texts of the variable that are ours besides `LoaderDefault.pattern`.
  package var variables: [String] = []
  /// By name of the partition.
  package var defaults: [String: String] = [:]

  package static let path = "/var/lib/pve-sb-uki/loader-default"
  private static let sizeLimit = 1 << 16

  package init() {}

  /// Whether the variable's text is one that this program has set.
  package func isOurs(_ text: String) -> Bool {
    text == LoaderDefault.pattern || variables.contains { $0.lowercased() == text.lowercased() }
  }

  /// The host's record; empty if there is none or it cannot be read.
  package static func load(from files: FileSystem) -> LoaderDefaultRecord {
    var record = LoaderDefaultRecord()
    let text = (try? files.readTextIfPresent(path, limit: sizeLimit)).flatMap { $0 } ?? ""
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 1).map(String.init)
      switch words.first {
      case "variable" where words.count == 2: record.variables.append(words[1])
      case "esp" where words.count == 2:
        let fields = words[1].split(separator: " ", maxSplits: 1).map(String.init)
        if fields.count == 2 { record.defaults[fields[1]] = fields[0] }
      default: break
      }
    }
    return record
  }

  /// Keeps the record.
  ///
  /// No change if it is kept already.
  package func save(to files: FileSystem) throws {
    try files.makeDirectory("/var/lib/pve-sb-uki")
    let lines =
      variables.map { "variable \($0)" } + defaults.sorted { $0.key < $1.key }.map { "esp \($0.value) \($0.key)" }
    try files.replaceFile(Self.path, content: Array(lines.map { $0 + "\n" }.joined().utf8))
  }
}
