// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
import Glibc
internal import Messages

extension EFIVariableStore {
  /// The size of the firmware's store for permanent variables, and what is free of it, in bytes.
  package struct Room: Hashable, Sendable {
    package var total: Int
    /// Without the 5 KiB that Linux reserves on x86.
    package var available: Int

    package init(total: Int, available: Int) {
      self.total = total
      self.available = available
    }
  }

  /// The room for permanent variables; nil if the kernel or the firmware does not say.
  ///
  /// efivarfs reports it since Linux 6.5, and 0 before. Throws `HostError`.
  package func room() throws -> Room? {
    guard try isFirmwareInterface, let descriptor = try directoryDescriptor() else { return nil }
    var status = statvfs()
    try SystemCall.check("examine", displayPath) { fstatvfs(descriptor.number, &status) }
    guard status.f_blocks > 0 else { return nil }
    let unit = max(1, Int(clamping: status.f_frsize))
    func bytes(_ blocks: UInt) -> Int {
      let (bytes, overflow) = Int(clamping: blocks).multipliedReportingOverflow(by: unit)
      return overflow ? .max : bytes
    }
    return Room(total: bytes(status.f_blocks), available: bytes(status.f_bavail))
  }

  /// Whether the directory is efivarfs rather than a plain directory with copies of variables.
  var isFirmwareInterface: Bool {
    get throws {
      try directoryDescriptor().map { psu_file_system_type($0.number) == Self.efivarfsMagic } ?? false
    }
  }

  /// EFIVARFS_MAGIC of Linux.
  private static let efivarfsMagic = 0xde5e_81e4
}
