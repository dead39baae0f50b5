// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import EFIData
internal import HostSystem

/// Signed updates that empty a key variable, such as noPK.auth, which earlier versions exported with the other files.
///
/// On an ESP they are dangerous: anyone with access to the firmware's menu can turn Secure Boot off with one.
enum KeyRemovals {
  /// Maximum size of such a file in bytes; most have 1.5 to 3 KiB.
  private static let sizeLimit = 64 << 10
  /// Maximum number of directories to search; most ESPs have fewer than 100.
  private static let directoryLimit = 1000

  /// Their paths, directory by directory; those in the directories nearest the root first.
  ///
  /// Skips what cannot be read: directories of others may be damaged.
  static func paths(on files: FileSystem) -> [String] {
    var found: [String] = []
    var directories = ["/"]
    var next = 0
    while next < directories.count {
      let directory = directories[next]
      next += 1
      for name in (try? files.list(directory)) ?? [] {
        let path = PathName.join(directory, name)
        if isCandidate(name.lowercased()), let bytes = try? files.readFile(path, limit: sizeLimit) {
          if isRemoval(bytes) { found.append(path) }
        } else if directories.count < directoryLimit, (try? files.linkStatus(of: path))??.kind == .directory {
          directories.append(path)
        }
      }
    }
    return found
  }

  private static func isCandidate(_ name: String) -> Bool { name.hasSuffix(".auth") || name.hasPrefix("nopk") }

  private static func isRemoval(_ bytes: [UInt8]) -> Bool {
    guard let update = try? AuthenticatedVariable(parsing: bytes) else { return false }
    return update.payload.isEmpty && !update.signature.isEmpty
  }
}
