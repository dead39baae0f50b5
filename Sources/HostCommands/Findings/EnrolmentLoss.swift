// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import Findings
internal import HostSystem
internal import KeyEnrolment
internal import Messages
internal import SecureBoot
internal import SigningKeys

/// Keys that pve-sb-uki has written to the firmware and read back, and that are gone after a reboot.
///
/// Some firmware keeps changes only until then, and a reset of its settings removes keys.
enum EnrolmentLoss {
  static func findings(_ firmware: FirmwareKeys, on host: Host) throws -> [Finding] {
    guard let record = try EnrolmentRecord.load(from: host.files), let finished = record.finished,
      let booted = try BootEvidence.bootTime(of: host.files), booted > finished
    else { return [] }
    let lost = try KeyRole.allCases.filter { role in
      // Other keys of the owner were never written.
      guard let own = firmware.own[role], try own.fingerprint().hexadecimal == record.certificates[role] else {
        return false
      }
      return !firmware.contains(own, as: role)
    }
    guard !lost.isEmpty else { return [] }
    let names = lost.map(\.name)
    return [
      Finding(
        .enrolmentLost,
        """
        the firmware has lost what pve-sb-uki wrote at \(CalendarDate(seconds: finished)): this host's certificate is \
        missing in \(names.joined(separator: ", "))
        """,
        arguments: ["variables": JSONValue(names), "undo": .string(record.undo)],
        actions: firmware.database.setupMode == true
          ? [.run("pve-sb-uki enroll --firmware"), .advise("if it happens again, check for a firmware update")]
          : [.advise("enrol the keys in the firmware's menu ('pve-sb-uki enroll --stage'), and check for an update")])
    ]
  }
}
