// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Findings
internal import HostSystem
internal import Messages
internal import SigningKeys

/// Private keys that exist only once.
enum KeyBackupFindings {
  static func findings(_ configuration: Configuration, on host: Host) throws -> [Finding] {
    let missing = try KeyBackupRecord.missing(KeyStore(of: host, configuration), on: host).map(\.name)
    guard !missing.isEmpty else { return [] }
    return [
      Finding(
        .keysNotBackedUp,
        """
        the private keys have no backup (\(missing.joined(separator: ", "))): if they are lost, new keys must be enrolled
        """,
        arguments: ["keys": .array(missing.map { .string($0) })],
        actions: [
          .advise("run 'pve-sb-uki keys backup FILE', with FILE on a USB stick, or copied to another machine")
        ])
    ]
  }
}
