// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import Messages

extension FileSystem {
  /// Creates the directory `path` with all its files, or not at all.
  ///
  /// `body` gets the path of a temporary directory of mode 0700 in the same parent and creates regular files in it;
  /// then that directory is renamed to `path`. Throws `HostError` if `path` exists and is not an empty directory. After
  /// an error the files are removed; if the process was killed, the next call for the same path removes them.
  package func makeCompleteDirectory<Value>(_ path: String, filling body: (String) throws -> Value) throws -> Value {
    let parent = PathName(path).directory
    let name = String(PathName(path).fileName)
    try makeDirectory(parent)
    try removeAbandoned(for: name, in: parent)
    let temporaryName = TemporaryName.make(for: name, random: try randomBytes(8))
    let temporary = PathName.join(parent, temporaryName)
    do {
      try makeDirectory(temporary, mode: 0o700)
      let value = try body(temporary)
      try withParent(of: path, operation: "create directory") { directory, _ in
        try gate(Mutation(.rename, path))
        try SystemCall.check("create directory", display(path)) {
          renameat(directory.number, temporaryName, directory.number, name)
        }
        try gate(Mutation(.synchronize, path))
        try directory.synchronize(path: display(path))
      }
      return value
    } catch {
      try? removeDirectoryOfFiles(temporary)
      throw error
    }
  }

  private func removeAbandoned(for name: String, in parent: String) throws {
    for entry in try list(parent) ?? [] where TemporaryName.matches(entry) && entry.hasPrefix(".\(name).") {
      let path = PathName.join(parent, entry)
      if try linkStatus(of: path)?.kind == .directory { try removeDirectoryOfFiles(path) }
    }
  }

  private func removeDirectoryOfFiles(_ path: String) throws {
    for name in try list(path) ?? [] { try remove("\(path)/\(name)") }
    try removeDirectory(path)
  }
}
