// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Findings
internal import HostSystem
internal import Messages

/// A /boot partition that UKIs do not need, and a migration of it that is not complete.
enum BootPartitionFindings {
  static func findings(on host: Host) throws -> [Finding] {
    guard host.isRunningSystem else { return [] }
    if let record = try BootMigrationRecord.load(from: host.files) { return [Self.finding(record, on: host)] }
    let mounts = try host.files.mountPoints()
    guard let mount = mounts.last(where: { $0.path == BootPartition.mountPath }), mount.device.major != 0,
      mount.root == "/", mount.fileSystem != "vfat", mount.fileSystem != "autofs",
      try !SecretStorage.isUnencrypted(rootOf: mounts, on: host),
      try SecretStorage.isUnencrypted(mount.device, in: host.files),
      let name = try BootEvidence(of: host)?.imageName, UKIName(fileName: name) != nil
    else { return [] }
    return [
      Finding(
        .bootPartition,
        "/boot is an unencrypted partition (\(mount.source)), which a machine that boots from UKIs does not need",
        arguments: ["device": .string(mount.source)], actions: [.run("pve-sb-uki migrate-boot --dry-run")])
    ]
  }

  private static func finding(_ record: BootMigrationRecord, on host: Host) -> Finding {
    let isProven = record.state == .unproven && record.bootID != host.bootID || record.state == .proven
    let message: Message =
      switch record.state {
      case .copying, .switching, .rebuilding: "moving /boot into the root file system was not completed"
      case .unproven where !isProven:
        "/boot was moved into the root file system; the next boot shall prove that it works"
      case .unproven, .proven: "\(record.path), the previous /boot, is not used any more and can be removed"
      }
    let command: Message =
      record.state == .unproven && !isProven ? "systemctl reboot" : "pve-sb-uki migrate-boot"
    return Finding(
      .bootMigration, message,
      arguments: ["device": .string(record.path), "state": .string(record.state.rawValue)], actions: [.run(command)])
  }
}
