// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
import Glibc
internal import Messages

/// The files below a root directory, or files by the invoker's own paths.
///
/// With a root other than `/`, every path is resolved inside it, including absolute symbolic links and `..`
/// (openat2(2), RESOLVE_IN_ROOT).
package struct FileSystem: Sendable {
  /// The path of the root; nil for paths as the invoker wrote them, relative to the working directory.
  package let root: String?
  let gate: Mutation.Gate
  private let rootDirectory: RootDirectory?
  /// Nil if every call looks at the file.
  private let memory: Recollection?

  /// Paths as the invoker wrote them.
  package init(gate: @escaping Mutation.Gate = { _ in }) {
    root = nil
    rootDirectory = nil
    memory = nil
    self.gate = gate
  }

  /// Absolute paths inside `root`.
  ///
  /// Throws `HostError` unless it is a directory.
  package init(root: String, gate: @escaping Mutation.Gate = { _ in }) throws {
    let number = try SystemCall.check("open", root) { Glibc.open(root, psu_o_path | O_DIRECTORY | O_CLOEXEC) }
    self.root = root
    rootDirectory = RootDirectory(Descriptor(owning: number))
    memory = nil
    self.gate = gate
  }

  /// The files of a mount, with `label` before their paths.
  ///
  /// The mount ends when this value, its subtrees and its open files are gone; written data is synced before that.
  init(mount: Descriptor, label: String, isWritable: Bool, gate: @escaping Mutation.Gate) {
    root = label
    rootDirectory = RootDirectory(mount, synchronizesAtEnd: isWritable)
    memory = nil
    self.gate = { try gate(Mutation($0.kind, PathName.join(label, $0.path))) }
  }

  private init(root: String?, directory: RootDirectory?, memory: Recollection?, gate: @escaping Mutation.Gate) {
    self.root = root
    rootDirectory = directory
    self.memory = memory
    self.gate = gate
  }

  /// The same files for one observation: each is examined once, see `Recollection`.
  ///
  /// With `others`, the two forget together. Returns itself if it remembers already.
  package func remembering(with others: FileSystem? = nil) -> FileSystem {
    if isRemembering { return self }
    let memory = others == nil ? Recollection() : others?.memory
    let gate = gate
    return FileSystem(root: root, directory: rootDirectory, memory: memory) { mutation in
      memory?.forget()
      try gate(mutation)
    }
  }

  /// Whether each file is examined once.
  var isRemembering: Bool { memory != nil }

  /// The directory `path` as a separate root that symbolic links and `..` cannot leave.
  ///
  /// Messages and mutations use the same names for its files as this value does. Throws `HostError` unless it is a
  /// directory.
  package func subtree(_ path: String) throws -> FileSystem {
    let directory = try open(path, psu_o_path | O_DIRECTORY)
    let gate = gate
    let subdirectory = RootDirectory(directory, below: rootDirectory)
    return FileSystem(root: display(path), directory: subdirectory, memory: memory) { mutation in
      try gate(Mutation(mutation.kind, PathName.join(path, mutation.path)))
    }
  }

  /// The path as seen from outside the root, for messages.
  package func display(_ path: String) -> String {
    guard let root, root != "/" else { return path }
    return PathName.join(root, path)
  }

  /// Syncs the file system that contains the root.
  ///
  /// Throws `HostError`.
  package func synchronize() throws {
    guard let rootDirectory else { return }
    try gate(Mutation(.synchronize, "/"))
    try SystemCall.check("sync", display("/")) { psu_syncfs(rootDirectory.descriptor.number) }
  }

  func open(
    _ path: String, _ flags: Int32, mode: UInt32 = 0, operation: Message = "open"
  ) throws(HostError) -> Descriptor {
    let number = try SystemCall.check(operation, display(path)) {
      if let rootDirectory { return psu_open_in_root(rootDirectory.descriptor.number, path, flags, mode) }
      return Glibc.open(path, flags | O_CLOEXEC, mode)
    }
    return Descriptor(owning: number)
  }

  /// Opens the directory that contains `path` and passes it to `body` with the last component.
  func withParent<Value>(
    of path: String, operation: Message, _ body: (Descriptor, String) throws -> Value
  ) throws -> Value {
    let path = PathName(path)
    let name = String(path.fileName)
    guard !name.isEmpty, name != ".", name != ".." else {
      throw HostError(operation, display(path.text), detail: "the path does not end in a file name")
    }
    return try body(try open(path.directory, O_RDONLY | O_DIRECTORY, operation: "open"), name)
  }

  private final class RootDirectory: Sendable {
    let descriptor: Descriptor
    /// Keeps the mount alive: it ends when the descriptor from fsmount(2) is closed.
    private let parent: RootDirectory?
    private let synchronizesAtEnd: Bool

    init(_ descriptor: Descriptor, below parent: RootDirectory? = nil, synchronizesAtEnd: Bool = false) {
      self.descriptor = descriptor
      self.parent = parent
      self.synchronizesAtEnd = synchronizesAtEnd
    }

    // syncfs(2) writes everything to the device, but only fsync(2) of a file or directory flushes the device's cache.
    // The unmount that follows marks the file system as clean.
    deinit { if synchronizesAtEnd, psu_syncfs(descriptor.number) == 0 { _ = psu_fsync_directory(descriptor.number) } }
  }
}

extension FileSystem {
  /// Opens a regular file for reading.
  package func openFile(_ path: String) throws -> File {
    // A FIFO without a writer would block forever; O_NONBLOCK has no effect on a regular file.
    try File(owning: open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK), path: display(path))
  }

  /// The whole content of a regular file.
  ///
  /// Throws `HostError` if it is larger than `limit` bytes.
  package func readFile(_ path: String, limit: Int) throws -> [UInt8] {
    try openFile(path).readToEnd(limit: limit)
  }

  /// As `readFile`, but nil if the file does not exist.
  package func readFileIfPresent(_ path: String, limit: Int) throws -> [UInt8]? {
    guard let memory else { return try readIfPresent(path, limit: limit) }
    return try memory.content(of: display(path), limit: limit) { try readIfPresent(path, limit: limit) }
  }

  private func readIfPresent(_ path: String, limit: Int) throws -> [UInt8]? {
    do {
      return try readFile(path, limit: limit)
    } catch let error as HostError where error.meansAbsent {
      return nil
    }
  }

  /// The content as text, or nil if the file does not exist; bytes that are not UTF-8 become U+FFFD.
  package func readTextIfPresent(_ path: String, limit: Int = 1 << 20) throws -> String? {
    try readFileIfPresent(path, limit: limit).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The status of `path`, following symbolic links; nil if it does not exist.
  package func status(of path: String) throws -> FileStatus? { try status(of: path, followingLink: true) }

  /// The status of `path` without following a final symbolic link; nil if it does not exist.
  package func linkStatus(of path: String) throws -> FileStatus? { try status(of: path, followingLink: false) }

  /// As `status`, but throws `HostError` if the path does not exist.
  func requiredStatus(of path: String) throws(HostError) -> FileStatus {
    try open(path, psu_o_path, operation: "open").status(path: display(path))
  }

  private func status(of path: String, followingLink: Bool) throws -> FileStatus? {
    guard let memory else { return try readStatus(of: path, followingLink: followingLink) }
    return try memory.status(of: display(path), followingLink: followingLink) {
      try readStatus(of: path, followingLink: followingLink)
    }
  }

  private func readStatus(of path: String, followingLink: Bool) throws -> FileStatus? {
    do throws(HostError) {
      guard root == nil || root == "/" else {
        let flags = psu_o_path | (followingLink ? 0 : O_NOFOLLOW)
        return try open(path, flags, operation: "examine").status(path: display(path))
      }
      // Nothing to resolve inside: one call instead of three.
      var status = stat()
      try SystemCall.check("examine", display(path)) {
        fstatat(AT_FDCWD, path, &status, psu_at_no_automount | (followingLink ? 0 : AT_SYMLINK_NOFOLLOW))
      }
      return FileStatus(status)
    } catch {
      guard error.meansAbsent else { throw error }
      return nil
    }
  }

  package func exists(_ path: String) throws -> Bool { try status(of: path) != nil }
  package func isDirectory(_ path: String) throws -> Bool { try status(of: path)?.kind == .directory }

  /// The names in a directory in byte order, without `.` and `..`; nil if the directory does not exist.
  package func list(_ directory: String) throws -> [String]? {
    guard let memory else { return try readList(directory)?.names }
    return try memory.names(in: display(directory)) { try readList(directory)?.names }
  }

  /// The names in a directory with their statuses, which do not follow symbolic links, in byte order of the names; nil
  /// if the directory does not exist.
  ///
  /// Takes one system call for each name. Only names for which `isWanted` is true are examined; those that disappear in
  /// the meantime are left out.
  @discardableResult
  package func listWithStatus(
    _ directory: String, where isWanted: (String) -> Bool = { _ in true }
  ) throws -> [(name: String, status: FileStatus)]? {
    let found = try readList(directory)
    memory?.keep(found?.names, in: display(directory))
    guard let (opened, names) = found else { return nil }
    return try names.filter(isWanted).compactMap { name in
      let path = PathName.join(directory, name)
      var status = stat()
      do throws(HostError) {
        try SystemCall.check("examine", display(path)) {
          fstatat(opened.number, name, &status, psu_at_no_automount | AT_SYMLINK_NOFOLLOW)
        }
      } catch {
        guard error.meansAbsent else { throw error }
        return nil
      }
      let found = FileStatus(status)
      memory?.keep(found, of: display(path))
      return (name, found)
    }
  }

  /// Examines files of a directory in advance, if each is examined once: this takes one call for each instead of three.
  package func prepare(_ directory: String, where isWanted: (String) -> Bool = { _ in true }) {
    if isRemembering { _ = try? listWithStatus(directory, where: isWanted) }
  }

  private func readList(_ directory: String) throws -> (opened: Descriptor, names: [String])? {
    do throws(HostError) {
      let opened = try open(directory, O_RDONLY | O_DIRECTORY, operation: "list")
      return (opened, try opened.names(path: display(directory)))
    } catch {
      guard error.meansAbsent else { throw error }
      return nil
    }
  }

  /// Bytes that are free for unprivileged writers on the file system that contains `path`.
  package func availableSpace(at path: String) throws -> Int {
    let space = try space(at: path)
    let (bytes, overflow) = Int(clamping: space.f_bavail).multipliedReportingOverflow(by: Int(clamping: space.f_frsize))
    return overflow ? .max : bytes
  }

  /// Bytes in use on the file system that contains `path`.
  package func usedSpace(at path: String) throws -> Int {
    let space = try space(at: path)
    let blocks = Int(clamping: space.f_blocks) - Int(clamping: space.f_bfree)
    let (bytes, overflow) = blocks.multipliedReportingOverflow(by: Int(clamping: space.f_frsize))
    return overflow ? .max : max(0, bytes)
  }

  /// Whether the file system that contains `path`, or its mount there, is read-only.
  package func isReadOnly(at path: String) throws -> Bool { try space(at: path).f_flag & UInt(ST_RDONLY) != 0 }

  private func space(at path: String) throws -> statvfs {
    let descriptor = try open(path, O_RDONLY | O_NONBLOCK, operation: "examine")
    var space = statvfs()
    try SystemCall.check("examine", display(path)) { fstatvfs(descriptor.number, &space) }
    return space
  }
}

extension HostError {
  /// Whether the path does not exist, rather than being inaccessible.
  package var meansAbsent: Bool { errno == ENOENT || errno == ENOTDIR }
  /// Whether the user may not do this.
  package var meansForbidden: Bool { errno == EACCES || errno == EPERM }
}

extension FileSystem {
  /// Creates `path` and missing parents with permission bits `mode`; existing directories are unchanged.
  package func makeDirectory(_ path: String, mode: UInt32 = 0o755) throws {
    guard try status(of: path)?.kind != .directory else { return }
    let parent = PathName(path).directory
    if parent != "/", parent != "." { try makeDirectory(parent, mode: mode) }
    try withParent(of: path, operation: "create directory") { directory, name in
      _ = try makeDirectory(name, in: directory, mode: mode, path: path)
      try gate(Mutation(.synchronize, path))
      try directory.synchronize(path: display(path))
    }
  }

  /// Removes a file or symbolic link.
  ///
  /// Returns whether it existed.
  @discardableResult
  package func remove(_ path: String) throws -> Bool { try remove(path, kind: .remove, flags: 0) }

  /// Removes an empty directory.
  ///
  /// Returns whether it existed.
  @discardableResult
  package func removeDirectory(_ path: String) throws -> Bool {
    try remove(path, kind: .removeDirectory, flags: AT_REMOVEDIR)
  }

  private func remove(_ path: String, kind: Mutation.Kind, flags: Int32) throws -> Bool {
    guard try linkStatus(of: path) != nil else { return false }
    return try withParent(of: path, operation: "remove") { directory, name in
      try NameChange.remove(name, in: directory, path: path, of: self, kind: kind, flags: flags)
      return true
    }
  }
}
