// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import Messages

extension FileSystem {
  /// Makes directory `path` with all its files or not at all.
  ///
  /// `body` gets the path of a directory of mode 0700 beside it, puts regular files there, and when it returns that
  /// directory takes the name. Throws `HostError` if something other than an empty directory has it already. When
  /// anything fails the files are removed; after a kill the next call for the same path removes them.
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
      try withParent(of: path, operation: "make directory") { directory, _ in
        try gate(Mutation(.rename, path))
        try SystemCall.check("make directory", display(path)) {
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
