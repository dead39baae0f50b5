// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import EFIData
package import HostSystem
internal import Messages
package import SigningKeys

/// The last enrolment that wrote to the firmware, in `/var/lib/pve-sb-uki/enrolment`.
///
/// It tells a run that was interrupted which undo bundle has the variables as they were before, and `status` what the
/// firmware must still have after a reboot.
package struct EnrolmentRecord: Hashable, Sendable {
  package static let path = "/var/lib/pve-sb-uki/enrolment"
  private static let sizeLimit = 1 << 16

  /// Path of the undo bundle.
  package var undo: String
  /// When the first variable was about to be written, in seconds since 1970.
  package var started: Int64
  /// When all were written; nil if the run was interrupted.
  package var finished: Int64?
  /// SHA-256 of the owner's certificates, in hexadecimal.
  package var certificates: [KeyRole: String]

  package init(undo: String, started: Int64, finished: Int64? = nil, certificates: [KeyRole: String]) {
    self.undo = undo
    self.started = started
    self.finished = finished
    self.certificates = certificates
  }

  /// Nil if there is none.
  ///
  /// Throws `HostError` if it cannot be read, and `ParseError` if it is damaged.
  package static func load(from files: FileSystem) throws -> EnrolmentRecord? {
    guard let content = try files.readFileIfPresent(path, limit: sizeLimit) else { return nil }
    let document = try JSONValue(parsing: content)
    func seconds(_ name: String) -> Int64? {
      if case .number(let text)? = document[name] { EFITime.unixSeconds(parsing: text) } else { nil }
    }
    guard let undo = document["undo"]?.string, let started = seconds("started") else {
      throw ParseError("enrolment record", at: 0, .magic, "it has no undo bundle or no time")
    }
    let certificates = document["certificates"]?.object ?? [:]
    return EnrolmentRecord(
      undo: undo, started: started, finished: seconds("finished"),
      certificates: KeyRole.allCases.reduce(into: [:]) { $0[$1] = certificates[$1.name]?.string })
  }

  package func save(to files: FileSystem) throws {
    let document = JSONValue.object([
      "undo": .string(undo), "started": .number("\(started)"),
      "finished": finished.map { .number("\($0)") } ?? .null,
      "certificates": .object(
        Dictionary(certificates.map { ($0.key.name, JSONValue.string($0.value)) }) { $1 }),
    ])
    try files.makeDirectory("/var/lib/pve-sb-uki")
    try files.replaceFile(Self.path, mode: 0o600, content: Array(document.serialize().utf8))
  }
}
