// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
internal import Messages

// A temporary file or directory is locked (flock(2)) until it is complete or removed. So whoever can lock one knows that
// its writer was killed.
extension FileSystem {
  /// Removes the temporary files and directories in `directory` whose writers were killed.
  ///
  /// Those of other users and those in use are skipped. In a temporary directory only files are removed.
  ///
  /// - Parameters:
  ///   - directory: a path; it need not exist.
  ///   - name: the final name; nil for all.
  /// - Throws: `HostError`.
  package func removeAbandoned(in directory: String, for name: String? = nil) throws {
    let entries = try (list(directory) ?? []).filter { TemporaryName.matches($0, for: name) }
    guard !entries.isEmpty else { return }
    let parent = try open(directory, O_RDONLY | O_DIRECTORY)
    for entry in entries {
      let path = PathName.join(directory, entry)
      // Work by descriptor: in /tmp, other users could exchange the directory for a symbolic link.
      let number = openat(parent.number, entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
      guard number >= 0 else { continue }
      let opened = Descriptor(owning: number)
      let status = try opened.status(path: display(path))
      guard status.owner == geteuid(), status.kind == .regular || status.kind == .directory,
        flock(number, LOCK_EX | LOCK_NB) == 0
      else { continue }
      try removeTemporary(entry, opened, isDirectory: status.kind == .directory, in: parent, path: path)
    }
  }

  /// Removes a temporary file, or a temporary directory with the files in it.
  func removeTemporary(
    _ name: String, _ opened: Descriptor, isDirectory: Bool, in parent: Descriptor, path: String
  ) throws {
    guard isDirectory else { return try NameChange.remove(name, in: parent, path: path, of: self) }
    // It may have been listed before.
    try opened.rewind(path: display(path))
    for file in try opened.names(path: display(path)) {
      try NameChange.remove(file, in: opened, path: PathName.join(path, file), of: self)
    }
    try NameChange.remove(name, in: parent, path: path, of: self, kind: .removeDirectory, flags: AT_REMOVEDIR)
  }
}

/// A directory of mode 0700 for the files of one call, removed with them when the last reference is gone.
///
/// If the process is killed, `FileSystem.removeAbandoned` removes it.
package final class PrivateDirectory: Sendable {
  package let path: String
  private let name: String
  private let parent: Descriptor
  private let directory: Descriptor
  private let files: FileSystem

  fileprivate init(_ path: String, name: String, in parent: Descriptor, of files: FileSystem) throws {
    self.path = path
    self.name = name
    self.parent = parent
    self.files = files
    directory = try files.makeDirectory(name, in: parent, mode: 0o700, path: path)
    flock(directory.number, LOCK_EX | LOCK_NB)
  }

  deinit { try? files.removeTemporary(name, directory, isDirectory: true, in: parent, path: path) }
}

extension FileSystem {
  /// Creates a private directory with an unguessable name in `parent`, which must exist, and removes those that killed
  /// processes left there.
  ///
  /// Throws `HostError`.
  package func makePrivateDirectory(in parent: String) throws -> PrivateDirectory {
    try removeAbandoned(in: parent, for: PrivateDirectory.name)
    let path = PathName.join(parent, TemporaryName.make(for: PrivateDirectory.name, random: try randomBytes(8)))
    return try withParent(of: path, operation: "create directory") { directory, name in
      try PrivateDirectory(path, name: name, in: directory, of: self)
    }
  }

  /// Creates a directory with exactly these permission bits, whatever the umask, and returns it.
  ///
  /// Throws `HostError`.
  func makeDirectory(_ name: String, in parent: Descriptor, mode: UInt32, path: String) throws -> Descriptor {
    try gate(Mutation(.makeDirectory, path))
    try SystemCall.check("create directory", display(path)) { mkdirat(parent.number, name, mode) }
    do {
      try gate(Mutation(.changeMode, path))
      let directory = Descriptor(
        owning: try SystemCall.check("change the mode of", display(path)) {
          openat(parent.number, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        })
      // The owner of the parent can give the name to another directory at any time.
      guard try directory.names(path: display(path)).isEmpty else {
        throw HostError(
          "change the mode of", display(path), detail: "another program replaced the new directory",
          hint: "use a directory whose parents only root can write to")
      }
      try SystemCall.check("change the mode of", display(path)) { fchmod(directory.number, mode) }
      return directory
    } catch {
      if (try? gate(Mutation(.removeDirectory, path))) != nil { unlinkat(parent.number, name, AT_REMOVEDIR) }
      throw error
    }
  }
}

extension PrivateDirectory {
  fileprivate static let name = "work"
}
