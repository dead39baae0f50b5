// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import Messages
internal import Reconcile
internal import SigningKeys

/// The files on an ESP that pve-sb-uki staged or exported there, recognised by their content.
struct ESPKeySearch {
  /// Maximum number of directories and of files to examine on an ESP.
  private static let directoryLimit = 1000
  private static let fileLimit = 1000
  private static let suffixes = StagedKeys.suffixes + [".json", ".txt"]

  /// Paths of files with the owner's certificates, or with updates that the owner signed, those nearest the root first.
  private(set) var own: [String] = []
  /// Paths of files for another certificate or owner, in the directory of pve-sb-uki and under its names.
  private(set) var stale: [String] = []
  /// Whether `loader.conf` has pve-sb-uki's line for the enrolment by systemd-boot.
  let isForced: Bool

  var paths: [String] { own + stale }
  var removal: StagedRemoval { StagedRemoval(paths: paths, restoresLoader: isForced) }

  /// Searches the whole ESP; skips what cannot be read.
  init(of files: FileSystem, _ certificates: OwnKeyFiles) {
    isForced = StagedRemoval.isForced(in: files)
    var queue = ["/"]
    var next = 0
    var budget = Self.fileLimit
    while next < queue.count {
      let directory = queue[next]
      next += 1
      for name in (try? files.list(directory)) ?? [] {
        let path = PathName.join(directory, name)
        if Self.suffixes.contains(where: name.lowercased().hasSuffix), budget > 0 {
          budget -= 1
          if let bytes = try? files.readFile(path, limit: OwnKeyFiles.sizeLimit) {
            if certificates.contain(bytes) || RedfishFiles.isOwn(name, bytes, certificates) {
              own.append(path)
            } else if directory == StagedKeys.menuDirectory, StagedKeys.isName(name, in: directory),
              OwnKeyFiles.isKeyFile(bytes)
            {
              stale.append(path)
            }
            continue
          }
        }
        if queue.count < Self.directoryLimit, (try? files.linkStatus(of: path))??.kind == .directory {
          queue.append(path)
        }
      }
    }
  }
}
