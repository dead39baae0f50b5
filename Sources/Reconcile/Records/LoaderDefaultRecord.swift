// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem

/// The defaults that this program has set in systemd-boot, in `/var/lib/pve-sb-uki/loader-default`.
///
/// The record distinguishes our values from the administrator's. It also serves to restore them after Proxmox's hook
/// has overwritten them.
///
/// Text, one record per line: `variable TEXT` for each value that this program gave the EFI variable, the latest last,
/// and `esp TEXT NAME` for the default in the `loader.conf` of an ESP. Other lines are ignored.
package struct LoaderDefaultRecord: Hashable, Sendable {
  /// Values of the variable that are ours, besides `LoaderDefault.pattern`.
  package var variables: [String] = []
  /// By name of the ESP.
  package var defaults: [String: String] = [:]

  package static let path = "/var/lib/pve-sb-uki/loader-default"
  private static let sizeLimit = 1 << 16

  package init() {}

  /// Whether this program has set that value of the variable.
  package func isOurs(_ text: String) -> Bool {
    text == LoaderDefault.pattern || variables.contains { $0.lowercased() == text.lowercased() }
  }

  /// The record of the host; empty if there is none or it cannot be read.
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

  /// Saves the record; no change if it is saved already.
  ///
  /// Throws `HostError`.
  package func save(to files: FileSystem) throws {
    try files.makeDirectory("/var/lib/pve-sb-uki")
    let lines =
      variables.map { "variable \($0)" } + defaults.sorted { $0.key < $1.key }.map { "esp \($0.value) \($0.key)" }
    try files.replaceFile(Self.path, content: Array(lines.map { $0 + "\n" }.joined().utf8))
  }
}
