// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import EFIData
package import HostSystem
internal import Messages

/// Whether plug-in cards of this machine have drivers in their own firmware, which Secure Boot checks.
package enum OptionROMs: Hashable, Sendable {
  /// The firmware has loaded drivers from these device paths.
  case loaded([String])
  /// The firmware has loaded none.
  case absent
  /// There is no log, or it cannot be read.
  case unknown

  private static let log = "/sys/kernel/security/tpm0/binary_bios_measurements"
  /// Bytes; real logs have at most a few hundred KiB.
  private static let sizeLimit = 16 << 20

  /// Looks into the log of what was measured into the TPM during this boot.
  package init(of host: Host) {
    guard host.isRunningSystem, let bytes = try? host.files.readFileIfPresent(Self.log, limit: Self.sizeLimit),
      let log = try? TPMEventLog(parsing: bytes), !log.events.isEmpty
    else {
      self = .unknown
      return
    }
    let drivers = log.cardDrivers
    self = drivers.isEmpty ? .absent : .loaded(drivers)
  }
}
