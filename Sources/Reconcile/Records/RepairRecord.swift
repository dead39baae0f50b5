// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import EFIData
package import HostSystem

/// Repairs of ESPs, in `/var/lib/pve-sb-uki/repairs`.
///
/// Many repairs indicate a failing disk or unnoticed power cuts.
///
/// Format, one repair per line: seconds since 1970, a space and a sentence. The last 50 are kept.
package struct RepairRecord: Hashable, Sendable {
  /// Seconds since 1970.
  package var time: Int64
  package var message: String

  package static let path = "/var/lib/pve-sb-uki/repairs"
  private static let countLimit = 50

  /// Loads the repairs of the host, oldest first; empty if the record cannot be read.
  package static func load(from files: FileSystem) -> [RepairRecord] {
    let text = (try? files.readTextIfPresent(path)).flatMap { $0 } ?? ""
    return text.split(separator: "\n").suffix(countLimit).compactMap { line in
      let fields = line.split(separator: " ", maxSplits: 1)
      guard fields.count == 2, let time = EFITime.unixSeconds(parsing: fields[0]) else { return nil }
      return RepairRecord(time: time, message: String(fields[1]))
    }
  }

  package static func add(_ messages: [String], at time: Int64, to files: FileSystem) throws {
    let old = load(from: files).map { "\($0.time) \($0.message)" }
    let new = messages.map { "\(time) \($0.split(separator: "\n").joined(separator: " "))" }
    try files.makeDirectory("/var/lib/pve-sb-uki")
    let lines = (old + new).suffix(countLimit).map { $0 + "\n" }.joined()
    try files.replaceFile(path, content: Array(lines.utf8))
  }
}
