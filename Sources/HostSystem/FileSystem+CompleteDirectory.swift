// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import Messages

extension FileSystem {
  /// Makes directory `path` with all its files or not at all.
  ///
  /// `body` gets the path of a directory of mode 0700 beside it, puts regular files there, and when it returns that
  /// directory takes the name. Throws `HostError` if something other than an empty directory has it already. When
  /// anything fails the files are removed; what a kill leaves behind goes at the next call for the same path.
  package func makeCompleteDirectory<Value>(_ path: String, filling body: (String) throws -> Value) throws -> Value {
    let (parent, name) = Self.split(path)
    try makeDirectory(parent)
    try removeAbandoned(for: name, in: parent)
    let prefix = parent.hasSuffix("/") ? parent : parent + "/"
    let temporary = prefix + TemporaryName.make(for: name, random: try randomBytes(8))
    do {
      try makeDirectory(temporary, mode: 0o700)
      let value = try body(temporary)
      try withParent(of: path, operation: "make directory") { directory, _ in
        try gate(Mutation(.rename, path))
        let source = Self.split(temporary).name
        try SystemCall.check("make directory", display(path)) {
          renameat(directory.number, source, directory.number, name)
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
      let path = parent.hasSuffix("/") ? parent + entry : "\(parent)/\(entry)"
      if try linkStatus(of: path)?.kind == .directory { try removeDirectoryOfFiles(path) }
    }
  }

  private func removeDirectoryOfFiles(_ path: String) throws {
    for name in try list(path) ?? [] { try remove("\(path)/\(name)") }
    try removeDirectory(path)
  }
}
