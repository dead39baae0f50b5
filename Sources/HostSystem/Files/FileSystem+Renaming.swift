// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
import Glibc
internal import Messages

extension FileSystem {
  /// Renames a file to `target` in the same directory, replacing an existing file, and syncs the change to disk.
  ///
  /// Throws `HostError`; if the sync fails, the file already has its new name.
  package func rename(_ path: String, to target: String) throws {
    try withNames(path, other: target, operation: "rename") { directory, name, newName in
      try gate(Mutation(.rename, path))
      try NameChange(renaming: name, to: newName, in: directory, path: path, of: self).synchronize()
    }
  }

  /// Exchanges the names of two existing files in one directory atomically and syncs the change to disk.
  ///
  /// Returns false without a change if the kernel or the file system does not support it; vfat does since Linux 6.0.
  /// Throws `HostError`; if the sync fails, the names are already exchanged.
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

  /// Opens the directory that contains both and passes it to `body` with their last components.
  private func withNames<Value>(
    _ path: String, other: String, operation: Message, _ body: (Descriptor, String, String) throws -> Value
  ) throws -> Value {
    let otherName = String(PathName(other).fileName)
    guard PathName(other).directory == PathName(path).directory, !otherName.isEmpty, otherName != ".", otherName != ".."
    else {
      throw HostError(operation, display(path), detail: "\(display(other)) is not in the same directory")
    }
    return try withParent(of: path, operation: operation) { directory, name in try body(directory, name, otherName) }
  }
}

/// A rename or exchange that is done in memory; `synchronize` writes it to disk.
///
/// A FAT directory entry contains its file's first cluster and size. Linux writes these two when it writes the *file*:
/// after rename(2) or an exchange, fsync(2) of the directory alone leaves the old values on disk (fs/fat/namei_vfat.c,
/// inode.c). So each renamed file is synced by its own descriptor. Between the two syncs of an exchange, both entries
/// name the same clusters; neither may be unlinked before both are on disk. The old file is synced first, so that it
/// has a name at every instant.
struct NameChange {
  let isExchange: Bool
  private let directory: Descriptor
  /// The renamed files, open for reading, in sync order.
  private let changed: [Descriptor]
  /// The file that a rename replaced, kept open until the change is on disk.
  private let replaced: Descriptor?
  private let path: String
  private let object: String
  private let files: FileSystem

  /// Renames `name` in `directory` to `target`, replacing an existing file.
  ///
  /// `path` is for mutations; errors say that `operation` failed on `object`, which is `path` if nil. Throws
  /// `HostError`.
  init(
    renaming name: String, to target: String, in directory: Descriptor, path: String, of files: FileSystem,
    operation: Message = "rename", object: String? = nil
  ) throws {
    // Its clusters are freed when it is closed, which must happen after the change is on disk.
    let number = openat(directory.number, target, psu_o_path | O_NOFOLLOW | O_CLOEXEC)
    replaced = number < 0 ? nil : Descriptor(owning: number)
    let display = files.display(object ?? path)
    let file = try Self.open(name, in: directory, path: display, operation: operation)
    try SystemCall.check(operation, display) { renameat(directory.number, name, directory.number, target) }
    isExchange = false
    self.directory = directory
    changed = [file]
    self.path = path
    self.object = display
    self.files = files
  }

  /// Exchanges the names of two existing files in `directory` atomically (renameat2(2), RENAME_EXCHANGE).
  ///
  /// `other` is the old file; for `path`, `operation` and `object` see above.
  ///
  /// Throws `HostError`, with EINVAL or ENOSYS if the kernel or the file system does not support it; vfat does since
  /// Linux 6.0.
  init(
    exchanging name: String, with other: String, in directory: Descriptor, path: String, of files: FileSystem,
    operation: Message = "exchange", object: String? = nil
  ) throws {
    let display = files.display(object ?? path)
    let changed = try [other, name].map {
      try Self.open($0, in: directory, path: display, operation: operation)
    }
    try SystemCall.check(operation, display) { psu_exchange(directory.number, name, other) }
    isExchange = true
    self.directory = directory
    self.changed = changed
    replaced = nil
    self.path = path
    self.object = display
    self.files = files
  }

  /// Syncs the change to disk.
  ///
  /// Throws `HostError`; the change then remains in memory.
  func synchronize() throws {
    // After a rename, sync the directory first: until then the clusters would have both the old and the new name.
    if !isExchange { try synchronize(directory) }
    for file in changed { try synchronize(file) }
    if isExchange { try synchronize(directory) }
    withExtendedLifetime(replaced) {}
  }

  private func synchronize(_ descriptor: Descriptor) throws {
    try files.gate(Mutation(.synchronize, path))
    try descriptor.synchronize(path: object)
  }

  /// Removes a name so that it is never on disk without its clusters: the directory is synced before the last
  /// descriptor is closed, which frees them.
  ///
  /// `path` is for mutations; errors say that `operation` failed on `object`, which is `path` if nil. Throws
  /// `HostError`.
  static func remove(
    _ name: String, in directory: Descriptor, path: String, of files: FileSystem, kind: Mutation.Kind = .remove,
    flags: Int32 = 0, operation: Message = "remove", object: String? = nil
  ) throws {
    let display = files.display(object ?? path)
    let file = try SystemCall.check(operation, display) {
      openat(directory.number, name, psu_o_path | O_NOFOLLOW | O_CLOEXEC)
    }
    try withExtendedLifetime(Descriptor(owning: file)) {
      try files.gate(Mutation(kind, path))
      try SystemCall.check(operation, display) { unlinkat(directory.number, name, flags) }
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
