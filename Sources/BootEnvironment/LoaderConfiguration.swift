// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// systemd-boot's settings, `loader/loader.conf` on an EFI System Partition. Of these only the default entry is ours to
/// set; proxmox-boot-tool's hook sets it too, at each of its runs.
package enum LoaderConfiguration {
  /// From the root of the partition.
  package static let path = "/loader/loader.conf"
  /// Bytes.
  package static let sizeLimit = 1 << 16

  /// The entry that counts, a name or a pattern; nil if there is none. Of several lines the last counts.
  package static func defaultEntry(in text: [UInt8]) -> String? { setting(in: text)?.value }

  /// The text with `entry`, a file name in `loader/entries` or `EFI/Linux`, as its default. All other lines stay byte
  /// for byte, and so does everything if it is the default already.
  package static func text(_ text: [UInt8], withDefault entry: String) -> [UInt8] {
    let line = Array("default \(entry)".utf8)
    if let present = setting(in: text) {
      if present.value == entry { return text }
      var changed = text
      changed.replaceSubrange(present.range, with: line)
      return changed
    }
    let end = LoaderText(parsing: text).end
    let isOpen = end > 0 && text[end - 1] != 0x0a && text[end - 1] != 0x0d
    var longer = text
    longer.insert(contentsOf: (isOpen ? [0x0a] : []) + line + [0x0a], at: end)
    return longer
  }

  /// `@saved` is the last entry booted; systemd-boot passes over other words that begin with `@`.
  private static func setting(in text: [UInt8]) -> LoaderText.Setting? {
    LoaderText(parsing: text).settings.last { setting in
      setting.key == "default" && (!setting.value.hasPrefix("@") || setting.value.lowercased() == "@saved")
    }
  }
}
