// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import EFIData
internal import HostSystem

/// The files for the enrolment of keys on an ESP.
struct KeyFileSurvey {
  /// Paths of signed updates that empty a key variable, such as noPK.auth, which earlier versions exported with the other
  /// files; those in the directories nearest the root first.
  ///
  /// On an ESP they are dangerous: anyone with access to the firmware's menu can turn Secure Boot off with one.
  private(set) var removals: [String] = []
  /// Paths in `StagedKeys.directories` with names that pve-sb-uki uses there; their content may be anything.
  private(set) var staged: [String] = []

  /// Maximum size of such a file in bytes; most have 1.5 to 3 KiB.
  private static let sizeLimit = 64 << 10
  /// Maximum number of directories to search; most ESPs have fewer than 100.
  private static let directoryLimit = 1000

  /// Searches the ESP, directory by directory.
  ///
  /// Skips what cannot be read: directories of others may be damaged.
  init(of files: FileSystem) {
    var directories = ["/"]
    var next = 0
    while next < directories.count {
      let directory = directories[next]
      next += 1
      for name in (try? files.list(directory)) ?? [] {
        let path = PathName.join(directory, name)
        let isStaged = StagedKeys.isName(name, in: directory)
        if isStaged { staged.append(path) }
        if Self.isCandidate(name.lowercased()), let bytes = try? files.readFile(path, limit: Self.sizeLimit) {
          if Self.isRemoval(bytes) { removals.append(path) }
        } else if !isStaged, directories.count < Self.directoryLimit,
          (try? files.linkStatus(of: path))??.kind == .directory
        {
          directories.append(path)
        }
      }
    }
  }

  private static func isCandidate(_ name: String) -> Bool { name.hasSuffix(".auth") || name.hasPrefix("nopk") }

  private static func isRemoval(_ bytes: [UInt8]) -> Bool {
    guard let update = try? AuthenticatedVariable(parsing: bytes) else { return false }
    return update.payload.isEmpty && !update.signature.isEmpty
  }
}
