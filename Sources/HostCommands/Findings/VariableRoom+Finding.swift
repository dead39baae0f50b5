// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import Findings
internal import HostSystem
internal import KeyEnrolment
internal import SecureBoot
internal import SigningKeys

extension VariableRoom {
  /// The finding about this machine's store, if keys are still to be enrolled.
  static func findings(_ firmware: FirmwareKeys, on host: Host) throws -> [Finding] {
    guard let room = try host.variables.room() else { return [] }
    let missing = firmware.own.filter { !firmware.contains($1, as: $0) }
    let needs = VariableRoom(
      sizes: try requests(in: host.variables), enrolments: missing.values.map(\.der.count))
    return needs.finding(room).map { [$0] } ?? []
  }
}
