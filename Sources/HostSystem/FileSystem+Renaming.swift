// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
internal import Messages

extension FileSystem {
  /// Gives a file the name `target` in the same directory, in place of what has it, and brings that to disk.
  ///
  /// Throws `HostError`; if that comes from the last step the file has its new name already.
  package func rename(_ path: String, to target: String) throws {
    try withNames(path, target, operation: "rename") { directory, name, newName in
      try gate(Mutation(.rename, path))
      try NameChange(renaming: name, to: newName, in: directory, path: path, of: self).synchronize()
    }
  }

  /// Lets two files of one directory change names at once and brings that to disk. Both must be there.
  ///
  /// Returns false, and has changed nothing, where the kernel or the file system cannot: vfat learned it in Linux 6.0.
  /// Throws `HostError`; if that comes from the last step the names are exchanged already.
  package func exchange(_ path: String, _ other: String) throws -> Bool {
    try withNames(path, other, operation: "exchange") { directory, name, otherName in
      let change: NameChange
      do {
        try gate(Mutation(.exchange, path))
        change = try NameChange(exchanging: name, with: otherName, in: directory, path: path, of: self)
      } catch let error as HostError where error.errno == EINVAL || error.errno == ENOSYS {
        return false
      }
      try change.synchronize()
      return true
    }
  }

  /// Opens the directory that holds both and gives it to `body` together with their last components.
  private func withNames<Value>(
    _ path: String, _ other: String, operation: Message, _ body: (Descriptor, String, String) throws -> Value
  ) throws -> Value {
    let otherName = String(PathName(other).fileName)
    guard PathName(other).directory == PathName(path).directory, !otherName.isEmpty, otherName != ".", otherName != ".."
    else {
      throw HostError(operation, display(path), detail: "\(display(other)) is no name in the same directory")
    }
    return try withParent(of: path, operation: operation) { directory, name in try body(directory, name, otherName) }
  }
}
