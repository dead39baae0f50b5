// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem

/// What went wrong in the last run, in `/var/lib/pve-sb-uki/failure` until a run succeeds: a hook's message scrolls by,
/// this stays.
package struct FailureRecord: Hashable, Sendable {
  /// Seconds since 1970.
  package var time: Int64
  /// A sentence a line, each with its hint behind it.
  package var messages: [String]

  package static let path = "/var/lib/pve-sb-uki/failure"

  package init(time: Int64, messages: [String]) {
    self.time = time
    self.messages = messages
  }

  /// The record of the host; nil if the last run succeeded.
  package static func load(from files: FileSystem) throws -> FailureRecord? {
    guard let text = try files.readTextIfPresent(path) else { return nil }
    let lines = text.split(separator: "\n").map(String.init)
    let time = lines.first.flatMap { Int64($0) }
    return FailureRecord(time: time ?? 0, messages: Array(lines.dropFirst(time == nil ? 0 : 1)))
  }

  package func save(to files: FileSystem) throws {
    try files.makeDirectory("/var/lib/pve-sb-uki")
    let lines = ["\(time)"] + messages.map { $0.split(separator: "\n").joined(separator: " ") }
    try files.replaceFile(Self.path, content: Array((lines.joined(separator: "\n") + "\n").utf8))
  }

  /// Forgets the record; no change if there is none.
  package static func clear(from files: FileSystem) throws { try files.remove(path) }
}
