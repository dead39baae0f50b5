// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
import Glibc
internal import Messages

/// The firmware's variables, as efivarfs shows them: a file each, `NAME-VENDOR`, of which the first four bytes are the
/// attributes (Documentation/filesystems/efivarfs.rst of Linux).
///
/// Content here is the whole of such a file. In a root other than `/` a plain directory may stand in for efivarfs.
/// Everything that changes a variable throws `EFIVariableError` for what efivarfs and the firmware turn down.
package struct EFIVariableStore: Sendable {
  package static let directory = "/sys/firmware/efi/efivars"
  /// Bytes; the largest stores have a few hundred KiB for all variables.
  private static let sizeLimit = 4 << 20

  private let files: FileSystem

  package init(of files: FileSystem) { self.files = files }

  /// Whether there are variables: on the running system at least one, since the mount point is there without them.
  package var isPresent: Bool {
    get throws {
      guard let names = try files.list(Self.directory) else { return false }
      return files.root != "/" || !names.isEmpty
    }
  }

  private var absence: EFIVariableError.Cause {
    get throws { try files.isDirectory("/sys/firmware/efi") ? .notMounted : .noFirmware }
  }

  /// File names of all variables in byte order.
  ///
  /// Throws `EFIVariableError` where there is no efivarfs.
  package func names() throws -> [String] {
    guard try isPresent else { throw EFIVariableError("read", "", try absence) }
    return try files.list(Self.directory) ?? []
  }

  /// The content of a variable's file; nil if there is no such variable.
  ///
  /// Throws `HostError`.
  ///
  /// An empty file is what is left of a new variable that the firmware refused, and no variable.
  package func read(_ name: String) throws -> [UInt8]? {
    let content = try fileContent(name)
    return content?.isEmpty == true ? nil : content
  }

  /// As `read`, but an empty file is content too: for callers that must tell it from an absent variable.
  package func fileContent(_ name: String) throws -> [UInt8]? {
    try files.readFileIfPresent(Self.path(of: name), limit: Self.sizeLimit)
  }

  /// The path of a variable's file as it is seen from outside the host's root, for messages.
  package func displayPath(of name: String) -> String { files.display(Self.path(of: name)) }

  /// Sets a variable whose file's content is `old`, nil if there is none, and makes sure that the firmware kept it.
  ///
  /// Throws `changed` if it is not so any more.
  package func write(_ name: String, content: [UInt8], replacing old: [UInt8]?) throws {
    try naming("write", variable: name) {
      guard try read(name) == old else { throw error("write", name, .changed) }
      guard try isPresent else { throw error("write", name, try absence) }
      let path = Self.path(of: name)
      try unlocked(path) { try put(content, to: path) }
      guard try read(name) == content else { throw error("write", name, .notKept) }
    }
  }

  /// Deletes a variable whose file's content is `old`; nil for whatever it is.
  ///
  /// No change if there is none.
  package func remove(_ name: String, holding old: [UInt8]?) throws {
    try naming("remove", variable: name) {
      let path = Self.path(of: name)
      guard try files.linkStatus(of: path) != nil else { return }
      if let old, try read(name) != old { throw error("remove", name, .changed) }
      try unlocked(path) { try files.remove(path) }
    }
  }

  /// One write(2): each is a call of the firmware's.
  private func put(_ content: [UInt8], to path: String) throws {
    let isNew = try files.linkStatus(of: path) == nil
    if isNew { try files.gate(Mutation(.create, path)) }
    let descriptor = try files.open(
      path, O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | (isNew ? O_CREAT | O_EXCL : 0), mode: 0o644,
      operation: "write")
    do {
      try files.gate(Mutation(.write, path))
      try write(content, to: descriptor, path: path)
    } catch {
      if isNew { _ = try? files.withParent(of: path, operation: "remove") { unlinkat($0.number, $1, 0) } }
      throw error
    }
    // efivarfs has set the size by now; a plain directory has kept the rest of a longer content.
    if try descriptor.status(path: path).size > content.count { ftruncate(descriptor.number, content.count) }
  }

  /// EINTR may be a signal, or the firmware's EFI_ABORTED, which comes again for ever.
  private func write(_ content: [UInt8], to descriptor: Descriptor, path: String) throws {
    var written = -1
    for _ in 0..<3 {
      written = content.withUnsafeBytes { Glibc.write(descriptor.number, $0.baseAddress, $0.count) }
      if written != -1 || errno != EINTR { break }
    }
    guard written != -1 else { throw HostError("write", files.display(path), errno: errno) }
    guard written == content.count else { throw HostError("write", files.display(path), errno: EIO) }
  }

  /// Runs `body` with the file's immutable flag cleared, if it has it, and sets it again where the file still is.
  ///
  /// Linux gives it to every variable that it does not know to be safe to change.
  private func unlocked(_ path: String, _ body: () throws -> Void) throws {
    // The flag must come back even if Ctrl-C is pressed.
    let termination = HeldTermination()
    defer { termination.release() }
    guard try files.linkStatus(of: path) != nil else { return try body() }
    let descriptor = try files.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, operation: "write")
    guard psu_is_immutable(descriptor.number) == 1 else { return try body() }
    try setImmutable(descriptor, to: false, path: path)
    do {
      try body()
    } catch {
      try? setImmutable(descriptor, to: true, path: path)
      throw error
    }
    if try files.linkStatus(of: path) != nil { try setImmutable(descriptor, to: true, path: path) }
  }

  private func setImmutable(_ descriptor: Descriptor, to immutable: Bool, path: String) throws {
    try files.gate(Mutation(.changeFlags, path))
    try SystemCall.check("change flags of", files.display(path)) {
      psu_set_immutable(descriptor.number, immutable ? 1 : 0)
    }
  }

  private static func path(of name: String) -> String { "\(directory)/\(name)" }
}

extension EFIVariableStore {
  /// Turns the error numbers of efivarfs into what they mean for a variable.
  private func naming(_ operation: Message, variable name: String, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch let failure as HostError where failure.errno != 0 {
      throw error(operation, name, cause(of: failure.errno))
    }
  }

  private func cause(of number: Int32) -> EFIVariableError.Cause {
    switch number {
    case EROFS: .readOnly
    case ENOSPC: .storeFull(dumps: ((try? names()) ?? []).count { $0.hasPrefix("dump-type0-") })
    case EACCES where geteuid() != 0, EPERM where geteuid() != 0: .notAllowed
    default: .refused(number)
    }
  }

  private func error(_ operation: Message, _ name: String, _ cause: EFIVariableError.Cause) -> EFIVariableError {
    // The vendor takes 36 characters and a hyphen.
    EFIVariableError(operation, name.utf8.count > 37 ? String(name.dropLast(37)) : name, cause)
  }
}
