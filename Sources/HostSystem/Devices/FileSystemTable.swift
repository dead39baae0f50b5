// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// `/etc/fstab` (fstab(5)): its lines, and the file systems that they mount.
package struct FileSystemTable: Sendable {
  /// A line that mounts something.
  package struct Entry: Hashable, Sendable {
    /// The line, from 0.
    package var line: Int
    /// Such as `UUID=…`, `LABEL=…` or a device.
    package var source: String
    /// Without slashes at its end.
    package var path: String
    package var fileSystem: String
    package var options: [String]

    /// The path of the device that the source names; nil if it names none, like that of a network file system.
    package var devicePath: String? {
      if source.hasPrefix("/dev/") { return source }
      let parts = source.split(separator: "=", maxSplits: 1)
      guard parts.count == 2, let tag = Self.directories[String(parts[0])] else { return nil }
      return "/dev/disk/\(tag)/\(parts[1].filter { $0 != "\"" })"
    }

    private static let directories = [
      "UUID": "by-uuid", "LABEL": "by-label", "PARTUUID": "by-partuuid", "PARTLABEL": "by-partlabel",
    ]
  }

  package static let path = "/etc/fstab"

  package let entries: [Entry]
  private let lines: [ArraySlice<UInt8>]

  /// Comments and lines with fewer than two fields are skipped.
  package init(parsing content: [UInt8]) {
    lines = content.split(separator: 0x0a, omittingEmptySubsequences: false)
    entries = lines.enumerated().compactMap { number, bytes in
      let text = String(decoding: bytes, as: UTF8.self)
      let fields = text.split { $0 == " " || $0 == "\t" }
      guard fields.count >= 2, !fields[0].hasPrefix("#") else { return nil }
      var path = MountPoint.unescape(fields[1])
      while path.count > 1, path.hasSuffix("/") { path.removeLast() }
      return Entry(
        line: number, source: MountPoint.unescape(fields[0]), path: path,
        fileSystem: fields.count > 2 ? String(fields[2]) : "auto",
        options: fields.count > 3 ? fields[3].split(separator: ",").map(String.init) : [])
    }
  }

  /// The content with this entry turned into a comment; all other bytes stay.
  package func disabling(_ entry: Entry) -> [UInt8] {
    var changed = lines
    changed[entry.line] = Array("#".utf8)[...] + changed[entry.line]
    return Array(changed.joined(separator: [0x0a]))
  }
}
