// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
import Glibc
internal import Messages

extension FileSystem {
  /// Gives a file the name `target` in the same directory, in place of what has it, and brings that to disk.
  ///
  /// Throws `HostError`; if that comes from the last step the file has its new name already.
  package func rename(_ path: String, to target: String) throws {
    try withNames(path, other: target, operation: "rename") { directory, name, newName in
      try gate(Mutation(.rename, path))
      try NameChange(renaming: name, to: newName, in: directory, path: path, of: self).synchronize()
    }
  }

  /// Lets two files of one directory change names at once and brings that to disk.
  ///
  /// Both must be there.
  ///
  /// Returns false, and has changed nothing, where the kernel or the file system cannot: vfat learned it in Linux 6.0.
  /// Throws `HostError`; if that comes from the last step the names are exchanged already.
  package func exchange(_ path: String, _ other: String) throws -> Bool {
    try withNames(path, other: other, operation: "exchange") { directory, name, otherName in
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
    _ path: String, other: String, operation: Message, _ body: (Descriptor, String, String) throws -> Value
  ) throws -> Value {
    let otherName = String(PathName(other).fileName)
    guard PathName(other).directory == PathName(path).directory, !otherName.isEmpty, otherName != ".", otherName != ".."
    else {
      throw HostError(operation, display(path), detail: "\(display(other)) is no name in the same directory")
    }
    return try withParent(of: path, operation: operation) { directory, name in try body(directory, name, otherName) }
  }
}

/// A name of a directory that has got another file, in memory; `synchronize` brings it to disk.
///
/// On FAT a directory entry holds its file's first cluster and size. Linux writes these two when it writes the *file*:
/// after rename(2) or an exchange, fsync(2) of the directory alone leaves the old ones on disk (fs/fat/namei_vfat.c,
/// inode.c). So each file whose name changed is brought to disk by a descriptor of its own. Between the two of an
/// exchange both entries name the same clusters; neither may be unlinked before both are on disk. The file that gives
/// way goes first, so that it has a name at every instant.
struct NameChange {
  let isExchange: Bool
  private let directory: Descriptor
  /// The files whose names changed, open for reading, in the order in which they are brought to disk.
  private let changed: [Descriptor]
  /// What had the name before a rename, held until the change is on disk.
  private let replaced: Descriptor?
  private let path: String
  private let files: FileSystem

  /// Gives the file `name` of `directory` the name `target`, in place of what has it.
  ///
  /// Throws `HostError`.
  init(renaming name: String, to target: String, in directory: Descriptor, path: String, of files: FileSystem) throws {
    // Its clusters are free once nothing has it open, which is after the change is on disk.
    let number = openat(directory.number, target, psu_o_path | O_NOFOLLOW | O_CLOEXEC)
    replaced = number < 0 ? nil : Descriptor(owning: number)
    let file = try Self.open(name, in: directory, path: files.display(path), operation: "rename")
    try SystemCall.check("rename", files.display(path)) {
      renameat(directory.number, name, directory.number, target)
    }
    isExchange = false
    self.directory = directory
    changed = [file]
    self.path = path
    self.files = files
  }

  /// Lets two files of `directory` change names at once (renameat2(2), RENAME_EXCHANGE); both must be there, and
  /// `other` is the one that gives way.
  ///
  /// Throws `HostError`, of EINVAL or ENOSYS where the kernel or the file system cannot: vfat learned it in Linux 6.0.
  init(exchanging name: String, with other: String, in directory: Descriptor, path: String, of files: FileSystem) throws
  {
    let changed = try [other, name].map {
      try Self.open($0, in: directory, path: files.display(path), operation: "exchange")
    }
    try SystemCall.check("exchange", files.display(path)) { psu_exchange(directory.number, name, other) }
    isExchange = true
    self.directory = directory
    self.changed = changed
    replaced = nil
    self.path = path
    self.files = files
  }

  /// Brings the change to disk.
  ///
  /// Throws `HostError`; in memory the names stay changed even then.
  func synchronize() throws {
    // After a rename the directory goes first: until then the file's clusters would have its old name and its new one.
    if !isExchange { try synchronize(directory) }
    for file in changed { try synchronize(file) }
    if isExchange { try synchronize(directory) }
    withExtendedLifetime(replaced) {}
  }

  private func synchronize(_ descriptor: Descriptor) throws {
    try files.gate(Mutation(.synchronize, path))
    try descriptor.synchronize(path: files.display(path))
  }

  /// Removes a name so that at no instant it is on disk without its clusters: those are free once the last descriptor
  /// is closed, and the directory is brought to disk before.
  ///
  /// `path` is for messages and mutations. Throws `HostError`.
  static func remove(
    _ name: String, in directory: Descriptor, path: String, of files: FileSystem, kind: Mutation.Kind = .remove,
    flags: Int32 = 0
  ) throws {
    let display = files.display(path)
    let file = try SystemCall.check("remove", display) {
      openat(directory.number, name, psu_o_path | O_NOFOLLOW | O_CLOEXEC)
    }
    try withExtendedLifetime(Descriptor(owning: file)) {
      try files.gate(Mutation(kind, path))
      try SystemCall.check("remove", display) { unlinkat(directory.number, name, flags) }
      try files.gate(Mutation(.synchronize, path))
      try directory.synchronize(path: display)
    }
  }

  private static func open(
    _ name: String, in directory: Descriptor, path: String, operation: Message
  ) throws(HostError) -> Descriptor {
    Descriptor(
      owning: try SystemCall.check(operation, path) {
        openat(directory.number, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
      })
  }
}
