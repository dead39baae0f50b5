// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem

/// The defaults that pve-sb-uki has set in systemd-boot, in `/var/lib/pve-sb-uki/loader-default`.
///
/// The record distinguishes pve-sb-uki's values from the administrator's. It is also used to restore them after
/// Proxmox's hook has overwritten them.
///
/// Format, one record per line: `variable TEXT` for each value that pve-sb-uki gave the EFI variable, latest last,
/// `esp TEXT NAME` for the default in an ESP's `loader.conf`, and `chosen`. Other lines are ignored.
package struct LoaderDefaultRecord: Hashable, Sendable {
  /// Values of the variable set by pve-sb-uki, apart from `LoaderDefault.pattern`.
  package var variables: [String] = []
  /// By name of the ESP.
  package var defaults: [String: String] = [:]
  /// Whether systemd-boot was used because of `Chain=systemd-boot`.
  package var isChosen = false

  package static let path = "/var/lib/pve-sb-uki/loader-default"
  private static let sizeLimit = 1 << 16

  package init() {}

  /// Whether pve-sb-uki has set this value of the variable.
  package func isOurs(_ text: String) -> Bool {
    text == LoaderDefault.pattern || variables.contains { $0.lowercased() == text.lowercased() }
  }

  /// Loads the record of the host; empty if it does not exist or cannot be read.
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
      case "chosen": record.isChosen = true
      default: break
      }
    }
    return record
  }

  /// Saves the record; writes nothing if it is already saved.
  ///
  /// Throws `HostError`.
  package func save(to files: FileSystem) throws {
    try files.makeDirectory("/var/lib/pve-sb-uki")
    let lines =
      // A variable can contain anything; a line feed would start another record.
      variables.filter { !$0.unicodeScalars.contains("\n") }.map { "variable \($0)" }
      + defaults.sorted { $0.key < $1.key }.map { "esp \($0.value) \($0.key)" } + (isChosen ? ["chosen"] : [])
    try files.replaceFile(Self.path, content: Array(lines.map { $0 + "\n" }.joined().utf8))
  }
}
