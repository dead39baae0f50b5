// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
package import Messages

/// The result of fsck.vfat(8) for a FAT file system that is not mounted.
///
/// Its exit code does not distinguish a dirty bit from damage, so its output is parsed (dosfstools 4.2). Remnants are
/// errors that a power cut leaves and `fsck.vfat -a` repairs without losing a named file. Any other line is damage.
package struct FileSystemCheck: Hashable, Sendable {
  package enum Remnant: Hashable, Sendable {
    /// It was not unmounted cleanly.
    case dirtyBit
    /// The boot sector and its backup differ, which has no effect.
    case backupBootSector
    case freeClusterSummary
    /// Clusters that belong to no file, and their size in bytes.
    case lostClusters(bytes: Int)
    /// The second copy of the allocation table, which Linux and firmware do not read.
    case secondTable
    /// A truncated file that pve-sb-uki or proxmox-boot-tool rewrites in its next run.
    case cutOff(path: String)

    package var message: Message {
      switch self {
      case .dirtyBit: "not unmounted cleanly"
      case .backupBootSector: "the boot sector differs from its backup"
      case .freeClusterSummary: "wrong count of free clusters"
      case .lostClusters(let bytes): "\(bytes >> 10) KiB belonged to no file"
      case .secondTable: "the two copies of the allocation table differed"
      case .cutOff(let path): "\(path) was truncated"
      }
    }
  }

  package var remnants: [Remnant] = []
  /// The lines that report damage, as printed, or why there are none.
  package var damage: [Message] = []

  package static let program = "fsck.vfat"
  /// Seconds.
  private static let timeLimit = 300

  /// Runs the check, with or without repair; nil if dosfstools is not installed.
  ///
  /// Throws `HostError` if it cannot be run.
  package init?(of device: String, mending: Bool, on host: Host) throws {
    // On a damaged file system it may never end.
    let command = ["LC_ALL=C", "timeout", "-k", "5", "\(Self.timeLimit)", Self.program, mending ? "-a" : "-n", device]
    let result: ProcessOutput
    do {
      result = try host.processes.collect("env", arguments: command)
    } catch let error as HostError where error.meansAbsent {
      return nil
    }
    if result.status == 127 { return nil }
    self.init(parsing: String(decoding: result.output + result.errors, as: UTF8.self))
    // 0 means intact, 1 repaired. Higher codes are failures of the program, which may print nothing.
    if result.status == 124 || result.status == 137 {
      damage = ["\(Self.program) did not finish within \(Self.timeLimit) seconds"]
    } else if result.status > 1, damage.isEmpty {
      damage = ["\(Self.program) ended with exit code \(result.status)"]
    }
  }

  /// Parses the output of the program.
  package init(parsing text: String) {
    var path: String?
    for line in text.split(separator: "\n").map(String.init) {
      if Self.isIgnorable(line) { continue }
      if line.hasPrefix("/") {
        // The next lines are about this file.
        if let path { damage.append(Message(verbatim: path)) }
        path = line
        continue
      }
      if let file = path {
        if Self.isRecreated(file), Self.reportsTruncation(line) {
          if !remnants.contains(.cutOff(path: file)) { remnants.append(.cutOff(path: file)) }
          if line.hasPrefix("  Truncating file to") || line.hasSuffix("Assuming EOF.") { path = nil }
          continue
        }
        damage.append(Message(verbatim: file))
        path = nil
      }
      if let remnant = Self.remnant(line) {
        remnants.append(remnant)
      } else if !line.hasPrefix("/") {
        damage.append(Message(verbatim: String(line.drop { $0 == " " })))
      }
    }
    if let path { damage.append(Message(verbatim: path)) }
  }

  private static func remnant(_ line: String) -> Remnant? {
    if line.hasPrefix("Dirty bit is set.") { return .dirtyBit }
    if line.hasPrefix("There are differences between boot sector and its backup.") { return .backupBootSector }
    if line.hasPrefix("Free cluster summary wrong (") || line.hasPrefix("Free cluster summary uninitialized (") {
      return .freeClusterSummary
    }
    if line.hasPrefix("FATs differ but appear to be intact.") { return .secondTable }
    if line.hasPrefix("Reclaimed "), let open = line.firstIndex(of: "(") {
      return .lostClusters(bytes: Int(line[open...].dropFirst().prefix { $0 != " " }) ?? 0)
    }
    return nil
  }

  /// Whether the line belongs to another one, or does not describe the state of the file system.
  private static func isIgnorable(_ line: String) -> Bool {
    let text = line.drop { $0 == " " }
    let words = [
      "fsck.fat ", "This is mostly harmless. Differences:", "Not automatically fixing this.",
      "Automatically removing dirty bit.", "Auto-correcting.", "Auto-setting.", "Using first FAT.",
      "Reclaiming unconnected clusters.", "Leaving filesystem unchanged.", "*** Filesystem was changed ***",
      "Writing changes.",
      // Printed if the C library's character set conversions are not installed.
      "Cannot initialize conversion from ", "Using internal CP850 conversion table",
    ]
    if text.isEmpty || words.contains(where: { text.hasPrefix($0) }) { return true }
    // Such as `  65:01/00`.
    if line.hasPrefix("  "), text.allSatisfy({ $0.isHexDigit || ":/, ".contains($0) }) { return true }
    // Such as `/dev/sda2: 13 files, 4711/130812 clusters`.
    return isSummary(line)
  }

  private static func isSummary(_ line: String) -> Bool {
    let words = line.split(separator: " ").suffix(4)
    return words.count == 4 && words.last == "clusters" && words.dropFirst().first?.hasPrefix("file") == true
  }

  /// Whether the next run rewrites the file.
  ///
  /// Unreadable files of pve-sb-uki are removed before the check, see `CrashLeftovers`.
  private static func isRecreated(_ path: String) -> Bool {
    let folded = path.lowercased()
    let prefixes = [
      "\(TypeOneEntry.proxmoxDirectory)/", "\(TypeOneEntry.directory)/proxmox-", "\(UKIName.directory)/pve-",
      "\(UKIName.directory)/.pve-", "\(LoaderPath.directory)/", LoaderConfiguration.path, "/loader/sed",
    ]
    return prefixes.contains { folded.hasPrefix($0.lowercased()) }
  }

  private static func reportsTruncation(_ line: String) -> Bool {
    ["  File size is ", "  Truncating file to ", "  Contains a free cluster ("].contains { line.hasPrefix($0) }
  }
}
