// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem

/// The mark of a running apt transaction, in `/run/pve-sb-uki/transaction`.
///
/// It exists from apt's DPkg::Pre-Invoke to its DPkg::Post-Invoke, around all runs of dpkg. It contains the process
/// number and start time of apt, which identify the mark of an apt that was killed: the process has ended, or another
/// process has its number.
package struct PackageTransaction: Hashable, Sendable {
  /// Process number of apt.
  package var process: Int
  /// Start time of apt, in clock ticks since boot.
  package var startTime: UInt64

  package static let path = "/run/pve-sb-uki/transaction"

  package init(process: Int, startTime: UInt64) {
    self.process = process
    self.startTime = startTime
  }

  /// Marks the transaction of the apt that started `child` to run its commands.
  ///
  /// Writes no mark if /proc does not show that process. Throws `HostError`.
  package static func begin(child: Int, in files: FileSystem) throws {
    guard let child = try files.process(child), child.parent > 1, let apt = try files.process(child.parent) else {
      return
    }
    try files.makeDirectory("/run/pve-sb-uki")
    try files.replaceFile(path, content: Array("\(apt.number) \(apt.startTime)\n".utf8))
  }

  /// Whether this process is part of the marked transaction, that is, a descendant of its apt.
  ///
  /// A command that is run elsewhere at the same time is not, and neither is a dpkg that continues after its apt was
  /// killed. Throws `HostError` if /proc cannot be read.
  package static func isUnderWay(in files: FileSystem) throws -> Bool {
    guard let mark = try load(from: files) else { return false }
    return try files.processesAbove().contains { $0.number == mark.process && $0.startTime == mark.startTime }
  }

  /// Removes the mark if it exists.
  ///
  /// Throws `HostError`.
  package static func end(in files: FileSystem) throws { try files.remove(path) }

  private static func load(from files: FileSystem) throws -> PackageTransaction? {
    guard let text = try files.readTextIfPresent(path, limit: 256) else { return nil }
    let fields = text.split(whereSeparator: { $0 == " " || $0 == "\n" })
    guard fields.count == 2, let process = Int(fields[0]), let startTime = UInt64(fields[1]) else { return nil }
    return PackageTransaction(process: process, startTime: startTime)
  }
}
