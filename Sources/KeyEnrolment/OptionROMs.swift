// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
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

  /// Looks into the log of what was measured into the TPM during this boot.
  package init(of host: Host) {
    guard let log = TPMEventLog(of: host) else {
      self = .unknown
      return
    }
    let drivers = log.cardDrivers
    self = drivers.isEmpty ? .absent : .loaded(drivers)
  }
}
