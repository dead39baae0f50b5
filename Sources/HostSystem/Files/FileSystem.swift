// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
import Glibc
internal import Messages

/// The files below one root directory, or those that the invoker's own paths name.
///
/// Under a root other than `/` every path is resolved inside it, over absolute symbolic links and `..` too
/// (openat2(2), RESOLVE_IN_ROOT).
package struct FileSystem: Sendable {
  /// The root as it was named; nil for paths as the invoker wrote them, relative to the working directory.
  package let root: String?
  let gate: Mutation.Gate
  private let rootDirectory: RootDirectory?

  /// Paths as the invoker wrote them.
  package init(gate: @escaping Mutation.Gate = { _ in }) {
    root = nil
    rootDirectory = nil
    self.gate = gate
  }

  /// Absolute paths inside `root`.
  ///
  /// Throws `HostError` unless that is a directory.
  package init(root: String, gate: @escaping Mutation.Gate = { _ in }) throws {
    let number = try SystemCall.check("open", root) { Glibc.open(root, psu_o_path | O_DIRECTORY | O_CLOEXEC) }
    self.root = root
    rootDirectory = RootDirectory(Descriptor(owning: number))
    self.gate = gate
  }

  /// The files of a mount that is gone with this value and all its subtrees and open files; `label` stands before their
  /// paths.
  ///
  /// What was written is brought to the medium before.
  init(mount: Descriptor, label: String, isWritable: Bool, gate: @escaping Mutation.Gate) {
    root = label
    rootDirectory = RootDirectory(mount, synchronizesAtEnd: isWritable)
    self.gate = { try gate(Mutation($0.kind, PathName.join(label, $0.path))) }
  }

  private init(root: String, directory: RootDirectory, gate: @escaping Mutation.Gate) {
    self.root = root
    rootDirectory = directory
    self.gate = gate
  }

  /// Directory `path` as a root of its own, out of which no symbolic link and no `..` leads.
  ///
  /// Messages and mutations name its files as this one does. Throws `HostError` unless it is a directory.
  package func subtree(_ path: String) throws -> FileSystem {
    let directory = try open(path, psu_o_path | O_DIRECTORY)
    let gate = gate
    return FileSystem(root: display(path), directory: RootDirectory(directory, below: rootDirectory)) { mutation in
      try gate(Mutation(mutation.kind, PathName.join(path, mutation.path)))
    }
  }

  /// The path as it is seen from outside the root, for messages.
  package func display(_ path: String) -> String {
    guard let root, root != "/" else { return path }
    return PathName.join(root, path)
  }

  /// Brings everything to the medium that was written to the file system which holds the root.
  ///
  /// Throws `HostError`.
  package func synchronize() throws {
    guard let rootDirectory else { return }
    try gate(Mutation(.synchronize, "/"))
    try SystemCall.check("bring to disk", display("/")) { psu_syncfs(rootDirectory.descriptor.number) }
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

  /// Opens the directory that holds `path` and gives it to `body` together with the last component.
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
    /// A mount lives no longer than the descriptor that fsmount(2) gave.
    private let parent: RootDirectory?
    private let synchronizesAtEnd: Bool

    init(_ descriptor: Descriptor, below parent: RootDirectory? = nil, synchronizesAtEnd: Bool = false) {
      self.descriptor = descriptor
      self.parent = parent
      self.synchronizesAtEnd = synchronizesAtEnd
    }

    // syncfs(2) gives the device everything, but only a file's or directory's fsync(2) has it empty its cache, and the
    // unmounting that follows marks the file system as clean.
    deinit { if synchronizesAtEnd, psu_syncfs(descriptor.number) == 0 { _ = psu_fsync_directory(descriptor.number) } }
  }
}

extension FileSystem {
  /// Opens a regular file for reading.
  package func openFile(_ path: String) throws -> File {
    // A FIFO without a writer would block for ever; O_NONBLOCK means nothing to a regular file.
    try File(owning: open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK), path: display(path))
  }

  /// The whole content of a regular file.
  ///
  /// Throws `HostError` if it is larger than `limit` bytes.
  package func readFile(_ path: String, limit: Int) throws -> [UInt8] {
    try openFile(path).readToEnd(limit: limit)
  }

  /// The content as `readFile`, or nil if there is no such file.
  package func readFileIfPresent(_ path: String, limit: Int) throws -> [UInt8]? {
    do {
      return try readFile(path, limit: limit)
    } catch let error as HostError where error.meansAbsent {
      return nil
    }
  }

  /// The content as text, or nil if there is no such file; bytes that are not UTF-8 become U+FFFD.
  package func readTextIfPresent(_ path: String, limit: Int = 1 << 20) throws -> String? {
    try readFileIfPresent(path, limit: limit).map { String(decoding: $0, as: UTF8.self) }
  }

  /// What `path` is, symbolic links followed; nil if there is nothing.
  package func status(of path: String) throws -> FileStatus? { try status(of: path, flags: 0) }

  /// What `path` itself is, be it a symbolic link; nil if there is nothing.
  package func linkStatus(of path: String) throws -> FileStatus? { try status(of: path, flags: O_NOFOLLOW) }

  /// As `status`, but throws `HostError` if there is nothing.
  func requiredStatus(of path: String) throws(HostError) -> FileStatus {
    try open(path, psu_o_path, operation: "open").status(path: display(path))
  }

  private func status(of path: String, flags: Int32) throws -> FileStatus? {
    do throws(HostError) {
      return try open(path, psu_o_path | flags, operation: "examine").status(path: display(path))
    } catch {
      guard error.meansAbsent else { throw error }
      return nil
    }
  }

  package func exists(_ path: String) throws -> Bool { try status(of: path) != nil }
  package func isDirectory(_ path: String) throws -> Bool { try status(of: path)?.kind == .directory }

  /// The names in a directory in byte order, without `.` and `..`; nil if there is no such directory.
  package func list(_ directory: String) throws -> [String]? {
    do {
      return try names(in: open(directory, O_RDONLY | O_DIRECTORY, operation: "list"), path: display(directory))
    } catch let error as HostError where error.meansAbsent {
      return nil
    }
  }

  private func names(in directory: Descriptor, path: String) throws -> [String] {
    // The stream closes the descriptor it is given, so it gets one of its own.
    let number = try SystemCall.check("list", path) { fcntl(directory.number, F_DUPFD_CLOEXEC, 0) }
    guard let stream = fdopendir(number) else {
      let error = HostError("list", path, errno: errno)
      Glibc.close(number)
      throw error
    }
    defer { closedir(stream) }
    var names: [[UInt8]] = []
    errno = 0
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw HostError("list", path, errno: errno) }
    return names.sorted { $0.lexicographicallyPrecedes($1) }.map { String(decoding: $0, as: UTF8.self) }
  }

  /// Bytes that an unprivileged writer could still put on the file system that holds `path`.
  package func availableSpace(at path: String) throws -> Int {
    let space = try space(at: path)
    let (bytes, overflow) = Int(clamping: space.f_bavail).multipliedReportingOverflow(by: Int(clamping: space.f_frsize))
    return overflow ? .max : bytes
  }

  /// Whether the file system that holds `path`, or its mount there, takes no changes.
  package func isReadOnly(at path: String) throws -> Bool { try space(at: path).f_flag & UInt(ST_RDONLY) != 0 }

  private func space(at path: String) throws -> statvfs {
    let descriptor = try open(path, O_RDONLY | O_NONBLOCK, operation: "examine")
    var space = statvfs()
    try SystemCall.check("examine", display(path)) { fstatvfs(descriptor.number, &space) }
    return space
  }
}

extension HostError {
  /// Whether the path names nothing, as opposed to something that cannot be had.
  package var meansAbsent: Bool { errno == ENOENT || errno == ENOTDIR }
}

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

  /// Removes one file or symbolic link.
  ///
  /// Returns whether there was one.
  @discardableResult
  package func remove(_ path: String) throws -> Bool { try remove(path, kind: .remove, flags: 0) }

  /// Removes one empty directory.
  ///
  /// Returns whether there was one.
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
