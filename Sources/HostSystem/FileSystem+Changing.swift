// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import Messages

extension FileSystem {
  /// Makes `path` and what is missing above it, with permission bits `mode`; what exists is left as it is.
  package func makeDirectory(_ path: String, mode: UInt32 = 0o755) throws {
    guard try status(of: path)?.kind != .directory else { return }
    let parent = PathName(path).directory
    if parent != "/", parent != "." { try makeDirectory(parent, mode: mode) }
    try withParent(of: path, operation: "make directory") { directory, name in
      try gate(Mutation(.makeDirectory, path))
      try SystemCall.check("make directory", display(path)) { mkdirat(directory.number, name, mode) }
      // mkdir(2) takes the umask off; a directory for keys must be what was asked for in both directions.
      try gate(Mutation(.changeMode, path))
      try SystemCall.check("change mode of", display(path)) { fchmodat(directory.number, name, mode, 0) }
      try gate(Mutation(.synchronize, path))
      try directory.synchronize(path: display(path))
    }
  }

  /// Makes a directory of mode 0700 with a name that cannot be guessed in `parent`, which must exist, and returns its
  /// path.
  package func makePrivateDirectory(in parent: String) throws -> String {
    let path = "\(parent)/\(TemporaryName.make(for: "work", random: try randomBytes(8)))"
    try withParent(of: path, operation: "make directory") { directory, name in
      try gate(Mutation(.makeDirectory, path))
      try SystemCall.check("make directory", display(path)) { mkdirat(directory.number, name, 0o700) }
    }
    return path
  }

  /// Removes one file or symbolic link. Returns whether there was one.
  @discardableResult
  package func remove(_ path: String) throws -> Bool { try remove(path, .remove, flags: 0) }

  /// Removes one empty directory. Returns whether there was one.
  @discardableResult
  package func removeDirectory(_ path: String) throws -> Bool {
    try remove(path, .removeDirectory, flags: AT_REMOVEDIR)
  }

  private func remove(_ path: String, _ kind: Mutation.Kind, flags: Int32) throws -> Bool {
    guard try linkStatus(of: path) != nil else { return false }
    return try withParent(of: path, operation: "remove") { directory, name in
      try NameChange.remove(name, in: directory, path: path, of: self, kind: kind, flags: flags)
      return true
    }
  }
}
