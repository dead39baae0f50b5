// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem

/// The mark of an apt transaction in `/run/pve-sb-uki/transaction`: from apt's DPkg::Pre-Invoke to its
/// DPkg::Post-Invoke, between which lie all runs of dpkg.
///
/// It names apt's process by number and start time, so that the mark of an apt that was killed is recognised as one:
/// that process is gone, or its number is another's.
package struct PackageTransaction: Hashable, Sendable {
  /// Number of apt's process.
  package var process: Int
  /// Its start in clock ticks from boot.
  package var startTime: UInt64

  package static let path = "/run/pve-sb-uki/transaction"

  package init(process: Int, startTime: UInt64) {
    self.process = process
    self.startTime = startTime
  }

  /// Marks the transaction of the apt that runs its commands in `child`, a process it starts for nothing else.
  ///
  /// No mark is made where /proc does not tell which apt that is.
  package static func begin(child: Int, in files: FileSystem) throws {
    guard let child = try files.process(child), child.parent > 1, let apt = try files.process(child.parent) else {
      return
    }
    try files.makeDirectory("/run/pve-sb-uki")
    try files.replaceFile(path, content: Array("\(apt.number) \(apt.startTime)\n".utf8))
  }

  /// Whether this process is part of the marked transaction: apt is above it.
  ///
  /// What somebody starts elsewhere meanwhile is not, nor is what dpkg goes on with when its apt was killed.
  package static func isUnderWay(in files: FileSystem) throws -> Bool {
    guard let mark = try load(from: files) else { return false }
    return try files.processesAbove().contains { $0.number == mark.process && $0.startTime == mark.startTime }
  }

  /// Removes the mark; no change if there is none.
  package static func end(in files: FileSystem) throws { try files.remove(path) }

  private static func load(from files: FileSystem) throws -> PackageTransaction? {
    guard let text = try files.readTextIfPresent(path, limit: 256) else { return nil }
    let fields = text.split(whereSeparator: { $0 == " " || $0 == "\n" })
    guard fields.count == 2, let process = Int(fields[0]), let startTime = UInt64(fields[1]) else { return nil }
    return PackageTransaction(process: process, startTime: startTime)
  }
}
