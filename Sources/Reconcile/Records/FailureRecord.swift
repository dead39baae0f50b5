// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import EFIData
package import HostSystem
internal import Messages

/// The failures of the last run, in `/var/lib/pve-sb-uki/failure` until a run succeeds.
///
/// The output of a hook scrolls away; this record stays.
package struct FailureRecord: Hashable, Sendable {
  /// Seconds since 1970.
  package var time: Int64
  /// One sentence per line, followed by its hint.
  package var messages: [String]

  package static let path = "/var/lib/pve-sb-uki/failure"

  package init(time: Int64, messages: [String]) {
    self.time = time
    self.messages = messages
  }

  /// Loads the record of the host; nil if the last run succeeded.
  ///
  /// Throws `HostError`.
  package static func load(from files: FileSystem) throws -> FailureRecord? {
    guard let text = try files.readTextIfPresent(path) else { return nil }
    let lines = text.split(separator: "\n").map(String.init)
    let number = lines.first.flatMap { Int64($0) }
    let time = lines.first.flatMap { EFITime.unixSeconds(parsing: $0) }
    return FailureRecord(time: time ?? 0, messages: Array(lines.dropFirst(number == nil ? 0 : 1)))
  }

  package func save(to files: FileSystem) throws {
    try files.makeDirectory("/var/lib/pve-sb-uki")
    let lines = ["\(time)"] + messages.map { $0.split(separator: "\n").joined(separator: " ") }
    try files.replaceFile(Self.path, content: Array((lines.joined(separator: "\n") + "\n").utf8))
  }

  /// Records the failures of a run, or removes the record if there are none.
  static func keep(_ failures: [Failure], at time: Int64, in files: FileSystem) throws {
    if failures.isEmpty { return try clear(from: files) }
    try FailureRecord(time: time, messages: failures.map { line($0) }).save(to: files)
  }

  /// The error as a sentence with its hint.
  static func line(_ error: any Error) -> String {
    let hint = (error as? any HintedError)?.hint
    return "\(error)" + (hint.map { " (\($0))" } ?? "")
  }

  /// Removes the record if it exists.
  ///
  /// Throws `HostError`.
  package static func clear(from files: FileSystem) throws { try files.remove(path) }
}
