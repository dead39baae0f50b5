// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import Messages

extension FileSystem {
  /// Creates the directory `path` with all its files, or not at all.
  ///
  /// `body` gets the path of a temporary directory of mode 0700 in the same parent and creates regular files in it;
  /// then that directory is renamed to `path`. Throws `HostError` if `path` exists and is not an empty directory. After
  /// an error or a termination signal the files are removed; signals are held until then. If the process was killed,
  /// the next call for the same path removes them, and so does `removeAbandoned`. Errors of `body` about paths in the
  /// temporary directory name the final ones.
  package func makeCompleteDirectory<Value>(_ path: String, filling body: (String) throws -> Value) throws -> Value {
    try makeDirectory(PathName(path).directory)
    let termination = HeldTermination()
    defer { termination.release() }
    return try withParent(of: path, operation: "create directory") { parent, name in
      let directory = PathName(path).directory
      try removeAbandoned(in: directory, for: name)
      let temporaryName = TemporaryName.make(for: name, random: try randomBytes(8))
      let temporary = PathName.join(directory, temporaryName)
      let created = try makeDirectory(temporaryName, in: parent, mode: 0o700, path: temporary)
      flock(created.number, LOCK_EX | LOCK_NB)
      // Closing alone does not unlock it, see `Lock`.
      defer { flock(created.number, LOCK_UN) }
      let value: Value
      do {
        value = try body(temporary)
        try termination.check("create directory", display(path))
        try gate(Mutation(.rename, path))
        try SystemCall.check("create directory", display(path)) {
          renameat(parent.number, temporaryName, parent.number, name)
        }
      } catch {
        try? removeTemporary(temporaryName, created, isDirectory: true, in: parent, path: temporary)
        throw (error as? HostError)?.naming(display(path), insteadOf: display(temporary)) ?? error
      }
      try gate(Mutation(.synchronize, path))
      try parent.synchronize(path: display(path))
      return value
    }
  }
}

extension HostError {
  /// The error with the directory `path` in its object instead of `other`.
  fileprivate func naming(_ path: String, insteadOf other: String) -> HostError {
    var error = self
    if self.path == other || self.path.hasPrefix("\(other)/") {
      error.object = Message(verbatim: path + self.path.dropFirst(other.count))
    }
    return error
  }
}
