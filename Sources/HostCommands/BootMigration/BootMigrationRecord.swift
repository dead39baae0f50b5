// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
internal import Messages

/// How far `migrate-boot` got, in `/var/lib/pve-sb-uki/boot-migration`, so that it can go on after a kill or reboot.
///
/// Format: lines `KEY VALUE`.
package struct BootMigrationRecord: Hashable, Sendable {
  package enum State: String, CaseIterable, Sendable {
    /// Files are being copied; nothing else was changed.
    case copying = "copying"
    /// The copy is complete; /etc/fstab and the mounts are being changed.
    case switching = "switching"
    /// /boot is part of the root file system; initrds and UKIs are being rebuilt.
    case rebuilding = "rebuilding"
    /// Waits for a boot that proves it.
    case unproven = "unproven"
    /// The machine has booted without the partition.
    case proven = "proven"
  }

  package var state: State
  /// A stable path of the device that was mounted at /boot.
  package var path: String
  /// Its number in the boot in which the record was made.
  package var device: DeviceNumber
  /// The boot ID in which the state was reached; nil if unknown.
  package var bootID: String?
  /// The mount points below /boot, the upper ones first.
  package var below: [String] = []

  package static let filePath = "/var/lib/pve-sb-uki/boot-migration"

  package init(state: State, path: String, device: DeviceNumber) {
    self.state = state
    self.path = path
    self.device = device
  }

  /// Loads the record; nil without one.
  ///
  /// Throws `HostError`, and `Failure` if the content is damaged.
  package static func load(from files: FileSystem) throws -> BootMigrationRecord? {
    guard let text = try files.readTextIfPresent(filePath, limit: 1 << 16) else { return nil }
    var values: [String: [String]] = [:]
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: " ", maxSplits: 1)
      if fields.count == 2 { values[String(fields[0]), default: []].append(String(fields[1])) }
    }
    guard let state = values["state"]?.first.flatMap({ State(rawValue: $0) }), let path = values["path"]?.first,
      let device = values["device"]?.first.flatMap({ DeviceNumber($0[...]) })
    else {
      throw Failure(
        "\(files.display(filePath)) is damaged",
        hint: "if /boot is as it should be, remove the file; /etc/fstab.pve-sb-uki is the previous /etc/fstab")
    }
    var record = BootMigrationRecord(state: state, path: path, device: device)
    record.bootID = values["boot"]?.first
    record.below = values["below"] ?? []
    return record
  }

  /// Whether the record is about this device: by its path, since the numbers can change with each boot, or by the number
  /// if the path does not exist.
  ///
  /// Throws `HostError`.
  func names(_ other: DeviceNumber, on host: Host) throws -> Bool {
    (try host.files.status(of: path)?.blockDevice ?? device) == other
  }

  /// Throws `HostError`.
  func save(to files: FileSystem) throws {
    var lines = ["state \(state.rawValue)", "path \(path)", "device \(device)"]
    if let bootID { lines.append("boot \(bootID)") }
    lines += below.map { "below \($0)" }
    try files.makeDirectory("/var/lib/pve-sb-uki")
    try files.replaceFile(Self.filePath, content: Array(lines.map { $0 + "\n" }.joined().utf8))
  }
}
