// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import CLinux
import Glibc
import Messages

extension FileSystem {
  /// Writes a file atomically: the only place that opens a file for writing.
  ///
  /// The content goes to a temporary file in the same directory, created exclusively with mode 0600, and is synced.
  /// `verify` reads it back. Then the file gets `mode` and the final name. If a file already has that
  /// name, the two names are exchanged, and the old file is removed once the exchange is on disk; see `NameChange` for
  /// FAT. After an error, a rejection or a termination signal before the rename, the temporary file is removed and the
  /// old file is unchanged. If the exchange cannot be synced, the old file remains under the temporary name. A `path`
  /// that exists and is not a regular file, such as a symbolic link, is rejected. `progress` is told how far it is.
  ///
  /// `verify` gets the file after its pages were dropped from memory, so that most of it comes from the medium. With
  /// `provingMedium`, all of it does, if the file system supports that (`File.isFromMedium`).
  package func replaceFile<Value>(
    _ path: String, mode: UInt32 = 0o644, provingMedium: Bool = false, progress: WriteProgress? = nil,
    verify: ((File) throws -> Void)? = nil,
    writing body: (OutputFile) throws -> Value
  ) throws -> Value {
    let old = try linkStatus(of: path)
    if let old, old.kind != .regular {
      let link = old.kind == .symbolicLink
      throw HostError(
        "replace", display(path), detail: link ? "it is a symbolic link" : "it is not a regular file",
        hint: "specify a regular file or an unused path")
    }
    let termination = HeldTermination()
    defer { termination.release() }
    return try withParent(of: path, operation: "write") { directory, name in
      let temporary = TemporaryName.make(for: name, random: try randomBytes(8))
      let replacement = Replacement(
        directory: directory, temporary: temporary, name: name, path: path, files: self, provingMedium: provingMedium,
        gate: { [self] mutation in
          try termination.check("write", display(path))
          try gate(mutation)
        })
      try gate(Mutation(.create, replacement.temporaryPath))
      let number = try replacement.create()
      // Locked until it has its name, also after it is closed: `removeAbandoned` then leaves it alone.
      flock(number, LOCK_EX | LOCK_NB)
      let lock = Lock(owning: Descriptor(owning: fcntl(number, F_DUPFD_CLOEXEC, 0)))
      defer { withExtendedLifetime(lock) {} }
      let change: NameChange
      let value: Value
      do {
        value = try replacement.complete(number, mode: mode, progress, verify: verify, writing: body)
        change = try replacement.takeName(from: old)
      } catch {
        try? NameChange.remove(temporary, in: directory, path: replacement.temporaryPath, of: self)
        throw error
      }
      // Signals are held from here on: half of an exchange on disk is two names for one file.
      try change.synchronize()
      if change.isExchange {
        try NameChange.remove(
          temporary, in: directory, path: replacement.temporaryPath, of: self, operation: "remove the old version of",
          object: path)
      }
      return value
    }
  }

  /// Writes a file with the given content; nothing is written if the file already has this content and mode.
  ///
  /// Returns whether it was written.
  @discardableResult
  package func replaceFile(_ path: String, mode: UInt32 = 0o644, content: [UInt8]) throws -> Bool {
    if let old = try linkStatus(of: path), old.kind == .regular, old.size == content.count, old.mode == mode,
      try readFile(path, limit: content.count) == content
    {
      return false
    }
    try replaceFile(path, mode: mode) { try $0.write(content) }
    return true
  }
}

/// A file that is written under a temporary name and then renamed.
private struct Replacement {
  let directory: Descriptor
  let temporary: String
  let name: String
  let path: String
  let files: FileSystem
  let provingMedium: Bool
  let gate: Mutation.Gate

  var temporaryPath: String { PathName.join(PathName(path).directory, temporary) }

  func create() throws(HostError) -> Int32 {
    let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
    return try SystemCall.check("create", files.display(path)) { openat(directory.number, temporary, flags, 0o600) }
  }

  /// Writes, syncs, verifies and closes the file; an error of close(2) counts.
  func complete<Value>(
    _ number: Int32, mode: UInt32, _ progress: WriteProgress?, verify: ((File) throws -> Void)?,
    writing body: (OutputFile) throws -> Value
  ) throws -> Value {
    var isOpen = true
    defer { if isOpen { _ = close(number) } }
    let path = files.display(self.path)
    // Without this, a power cut could leave only the short FAT name, by which the temporary file is not recognized.
    try change(.synchronize)
    try directory.synchronize(path: path)
    try removeUmask(from: number)
    let file = OutputFile(borrowing: number, path: path, temporaryPath: temporaryPath, progress: progress, gate: gate)
    let value = try body(file)
    try change(.synchronize)
    try Descriptor.synchronize(number, path: path)
    progress?.startReadingBack()
    if let verify { try verify(readBack(number)) }
    if mode != 0o600 {
      try change(.changeMode)
      try SystemCall.check("change the mode of", path) { fchmod(number, mode) }
    }
    isOpen = false
    // The descriptor is closed even after EINTR (close(2)); a second call could close an unrelated one.
    guard close(number) == 0 || errno == EINTR else { throw HostError("close", path, errno: errno) }
    return value
  }

  /// Gives the new file mode 0600 if the umask has removed some of it.
  private func removeUmask(from number: Int32) throws {
    var status = stat()
    try SystemCall.check("examine", files.display(path)) { fstat(number, &status) }
    // On FAT, every file is executable.
    guard status.st_mode & 0o677 != 0o600 else { return }
    try change(.changeMode)
    try SystemCall.check("change the mode of", files.display(path)) { fchmod(number, 0o600) }
  }

  /// Opens the file for reading and drops its pages from memory.
  private func readBack(_ number: Int32) throws -> File {
    posix_fadvise(number, 0, 0, POSIX_FADV_DONTNEED)
    let path = files.display(self.path)
    let reader = try SystemCall.check("read back", path) {
      openat(directory.number, temporary, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    }
    return try File(owning: Descriptor(owning: reader), path: path, fromMedium: provingMedium)
  }

  /// Exchanges the two names, or renames if there is no old file or an exchange is not supported.
  ///
  /// Errors name the final path: the user does not know the temporary one.
  func takeName(from old: FileStatus?) throws -> NameChange {
    if old != nil, let exchange = try exchange() { return exchange }
    try change(.rename)
    return try NameChange(
      renaming: temporary, to: name, in: directory, path: temporaryPath, of: files,
      operation: old == nil ? "create" : "replace", object: path)
  }

  /// Nil if this is not supported, or the old file has disappeared or cannot be opened.
  private func exchange() throws -> NameChange? {
    try change(.exchange)
    do {
      return try NameChange(
        exchanging: temporary, with: name, in: directory, path: temporaryPath, of: files, operation: "replace",
        object: path)
    } catch let error as HostError {
      guard [EINVAL, ENOSYS, ENOENT, EACCES].contains(error.errno) else { throw error }
      return nil
    }
  }

  private func change(_ kind: Mutation.Kind) throws { try gate(Mutation(kind, temporaryPath)) }
}

/// The file that `FileSystem.replaceFile` is writing; written bytes can be patched until the body returns.
package final class OutputFile: ByteSink {
  /// The final path, for messages.
  package let path: String
  /// Bytes appended so far, which is the offset of the next one.
  package private(set) var count = 0
  private let temporaryPath: String
  private let number: Int32
  private let progress: WriteProgress?
  private let gate: Mutation.Gate

  /// Writes to the descriptor `number`, which the caller closes.
  init(
    borrowing number: Int32, path: String, temporaryPath: String, progress: WriteProgress? = nil,
    gate: @escaping Mutation.Gate
  ) {
    self.number = number
    self.progress = progress
    self.path = path
    self.temporaryPath = temporaryPath
    self.gate = gate
  }

  /// Appends `bytes`.
  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    try put(bytes, at: count)
    count += bytes.count
    progress?.advance(to: count, in: number)
  }

  /// Overwrites bytes that were already written.
  ///
  /// Throws `HostError` if the range goes beyond them.
  package func patch(_ bytes: [UInt8], at offset: Int) throws {
    guard offset >= 0, offset <= count, bytes.count <= count - offset else {
      throw HostError("write", path, detail: "\(bytes.count) bytes at \(offset) are outside the \(count) bytes written")
    }
    try bytes.withUnsafeBytes { try put($0, at: offset) }
  }

  private func put(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    var done = 0
    while done < bytes.count {
      try gate(Mutation(.write, temporaryPath))
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      done += try Descriptor.write(rest, to: number, at: offset + done, path: path)
    }
  }
}
