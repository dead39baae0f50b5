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
  /// Those of the messages that a plan cannot show, since the failure only happened while writing.
  package private(set) var unforeseen: [String]

  package static let path = "/var/lib/pve-sb-uki/failure"

  /// Precedes a message that a plan shows again for as long as its cause exists.
  private static let foreseenMark = "~ "

  package init(time: Int64, messages: [String]) {
    self.time = time
    self.messages = messages
    unforeseen = messages
  }

  /// The failures that explain why work is still to be done; nil if there are none.
  ///
  /// A failure of the past is held against the present: one that could be foreseen is in `plan` if its cause still
  /// exists, and nowhere else. One that happened while writing lasts until nothing is left to write.
  package func lasting(in plan: ApplyPlan, hasPendingWork: Bool) -> FailureRecord? {
    guard plan.isMoreThanCleanup || hasPendingWork else { return nil }
    let present = Set(plan.failures.map { Self.line($0) })
    let rest = unforeseen.filter { !present.contains($0) }
    return rest.isEmpty ? nil : FailureRecord(time: time, messages: rest)
  }

  /// Loads the record of the host; nil if the last run succeeded.
  ///
  /// Throws `HostError`.
  package static func load(from files: FileSystem) throws -> FailureRecord? {
    guard let text = try files.readTextIfPresent(path) else { return nil }
    let lines = text.split(separator: "\n").map(String.init)
    let number = lines.first.flatMap { Int64($0) }
    let time = lines.first.flatMap { EFITime.unixSeconds(parsing: $0) }
    let messages = lines.dropFirst(number == nil ? 0 : 1)
    func isForeseen(_ line: String) -> Bool { line.hasPrefix(foreseenMark) }
    var record = FailureRecord(
      time: time ?? 0, messages: messages.map { isForeseen($0) ? String($0.dropFirst(foreseenMark.count)) : $0 })
    record.unforeseen = messages.filter { !isForeseen($0) }
    return record
  }

  package func save(to files: FileSystem) throws {
    try files.makeDirectory("/var/lib/pve-sb-uki")
    let texts = messages.map { unforeseen.contains($0) ? $0 : Self.foreseenMark + $0 }
    let lines = ["\(time)"] + texts.map { $0.split(separator: "\n").joined(separator: " ") }
    try files.replaceFile(Self.path, content: Array((lines.joined(separator: "\n") + "\n").utf8))
  }

  /// Records the failures of a run, or removes the record if there are none.
  ///
  /// `foreseen` are those that were known before anything was written.
  static func keep(_ failures: [Failure], foreseen: [Failure], at time: Int64, in files: FileSystem) throws {
    if failures.isEmpty { return try clear(from: files) }
    var record = FailureRecord(time: time, messages: failures.map { line($0) })
    record.unforeseen = failures.filter { !foreseen.contains($0) }.map { line($0) }
    try record.save(to: files)
  }

  /// Records an error that stopped a run before anything was written.
  static func keep(_ error: any Error, at time: Int64, in files: FileSystem) throws {
    var record = FailureRecord(time: time, messages: [line(error)])
    record.unforeseen = []
    try record.save(to: files)
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
