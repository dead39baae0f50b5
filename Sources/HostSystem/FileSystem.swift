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

  /// Absolute paths inside `root`. Throws `HostError` unless that is a directory.
  package init(root: String, gate: @escaping Mutation.Gate = { _ in }) throws {
    let number = try SystemCall.check("open", root) { Glibc.open(root, psu_o_path | O_DIRECTORY | O_CLOEXEC) }
    self.root = root
    rootDirectory = RootDirectory(Descriptor(owning: number))
    self.gate = gate
  }

  /// The files of a mount that is gone with this value and all its subtrees and open files; `label` stands before their
  /// paths. What was written is brought to the medium before.
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

  /// Brings everything to the medium that was written to the file system which holds the root. Throws `HostError`.
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
