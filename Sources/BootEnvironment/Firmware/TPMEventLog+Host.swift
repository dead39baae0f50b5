// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import EFIData
package import HostSystem

extension TPMEventLog {
  private static let path = "/sys/kernel/security/tpm0/binary_bios_measurements"
  /// Bytes; real logs have at most a few hundred KiB.
  private static let sizeLimit = 16 << 20

  /// The log of this boot; nil if there is none, if it cannot be read, or if it is empty.
  package init?(of host: Host) {
    guard host.isRunningSystem, let bytes = try? host.files.readFileIfPresent(Self.path, limit: Self.sizeLimit),
      let log = try? TPMEventLog(parsing: bytes), !log.events.isEmpty
    else { return nil }
    self = log
  }
}
