// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
import CLinux
package import EFIData
import Glibc
internal import Messages

/// The firmware's variables in efivarfs: a file `NAME-VENDOR` for each, whose first four bytes are the attributes
/// (Documentation/filesystems/efivarfs.rst of Linux).
///
/// The content is the whole file. In a root other than `/`, a plain directory may replace efivarfs. All changes throw
/// `EFIVariableError` if efivarfs or the firmware rejects them.
package struct EFIVariableStore: Sendable {
  package static let directory = "/sys/firmware/efi/efivars"
  /// Bytes; the largest firmware stores have a few hundred KiB for all variables.
  private static let sizeLimit = 4 << 20

  private let files: FileSystem
  private let directory: String

  /// The variables in `directory`, by default where the kernel mounts efivarfs.
  package init(of files: FileSystem, directory: String = EFIVariableStore.directory) {
    self.files = files
    self.directory = directory
  }

  /// The same variables for one observation: each is read once, and forgotten together with `others`.
  func remembering(with others: FileSystem) -> EFIVariableStore {
    EFIVariableStore(of: files.remembering(with: others), directory: directory)
  }

  /// Whether there are variables: on the running system at least one, since the mount point always exists.
  package var isPresent: Bool {
    get throws {
      guard let names = try files.list(directory) else { return false }
      return files.root != "/" || !names.isEmpty
    }
  }

  /// Whether the directory does not accept changes.
  ///
  /// Throws `HostError` if it does not exist.
  package var isReadOnly: Bool { get throws { try files.isReadOnly(at: directory) } }

  private var absence: EFIVariableError.Cause {
    get throws { try files.isDirectory("/sys/firmware/efi") ? .notMounted : .noFirmware }
  }

  /// File names of all variables in byte order.
  ///
  /// Throws `EFIVariableError` if efivarfs is not mounted.
  package func names() throws -> [String] {
    guard try isPresent else { throw EFIVariableError("read", "", try absence) }
    return try files.list(directory) ?? []
  }

  /// The content of a variable's file; nil if the variable does not exist.
  ///
  /// Throws `HostError`.
  ///
  /// An empty file is not a variable: it is left over when the firmware rejects a new variable.
  package func read(_ name: String) throws -> [UInt8]? {
    let content = try fileContent(name)
    return content?.isEmpty == true ? nil : content
  }

  /// As `read`, but returns an empty file as empty content, to distinguish it from a missing variable.
  package func fileContent(_ name: String) throws -> [UInt8]? {
    try contentIfListed(name, in: directory)
  }

  /// An observation asks for many variables that do not exist, so it lists the directory first.
  private func contentIfListed(_ name: String, in directory: String) throws -> [UInt8]? {
    if files.isRemembering, try files.list(directory)?.contains(name) != true { return nil }
    return try files.readFileIfPresent("\(directory)/\(name)", limit: Self.sizeLimit)
  }

  /// An entry of the table in memory that shim hands to the kernel, without attributes; nil if there is none.
  ///
  /// It is in `/sys/firmware/efi/mok-variables` since shim 15.3.
  ///
  /// In other directories of variables it is in the subdirectory `mok-variables`. Throws `HostError`.
  package func shimTableEntry(_ name: String) throws -> [UInt8]? {
    let parent = directory == Self.directory ? "/sys/firmware/efi" : directory
    return try contentIfListed(name, in: "\(parent)/mok-variables")
  }

  /// The path of a variable's file as seen from outside the host's root, for messages.
  package func displayPath(of name: String) -> String { files.display(path(of: name)) }

  /// Sets a variable whose content is `old`, nil if it does not exist, and checks that the firmware kept the value.
  ///
  /// Throws `changed` if its content is no longer `old`.
  package func write(_ name: String, content: [UInt8], replacing old: [UInt8]?) throws {
    try write(name, request: content, replacing: old) { $0 == content }
  }

  /// Sends an update of an authenticated variable whose content is `old`, and checks what the firmware kept.
  ///
  /// Throws like `write`. The firmware keeps the payload without time and signature; so does a plain directory.
  package func write(
    _ name: String, update: AuthenticatedVariable, attributes: EFIVariableAttributes, replacing old: [UInt8]?
  ) throws {
    let isAppended = attributes.contains(.appendWrite)
    let present = isAppended ? try old.map { try EFIVariableContent(parsing: $0).data } ?? [] : []
    let kept = EFIVariableContent(attributes: attributes.subtracting(.appendWrite), data: present + update.payload)
    let request = EFIVariableContent(attributes: attributes, data: update.serialize())
    let isFirmware = try isFirmwareInterface
    try write(name, request: isFirmware ? request.serialize() : kept.serialize(), replacing: old) { content in
      guard let content, let found = try? EFIVariableContent(parsing: content) else { return false }
      guard isAppended else { return found == kept }
      // Firmware may merge what is added into a list that exists.
      func signatures(_ data: [UInt8]) -> Set<[UInt8]> {
        let lists = SignatureDatabase.readable(in: data).database.lists
        return Set(lists.flatMap { list in list.signatures.map { list.type.guid.bytes + $0.owner.bytes + $0.data } })
      }
      return found.attributes == kept.attributes && signatures(found.data) == signatures(kept.data)
    }
  }

  /// `isKept` decides about the content that is read back.
  private func write(
    _ name: String, request: [UInt8], replacing old: [UInt8]?, _ isKept: ([UInt8]?) throws -> Bool
  ) throws {
    try naming("write", variable: name) {
      guard try read(name) == old else { throw error("write", name, .changed) }
      guard try isPresent else { throw error("write", name, try absence) }
      let path = path(of: name)
      try unlocked(path) { try put(request, to: path) }
      guard try isKept(read(name)) else { throw error("write", name, .notKept) }
    }
  }

  /// Deletes a variable whose content is `old`; nil for any content.
  ///
  /// No change if it does not exist.
  package func remove(_ name: String, holding old: [UInt8]?) throws {
    try naming("remove", variable: name) {
      let path = path(of: name)
      guard try files.linkStatus(of: path) != nil else { return }
      if let old, try read(name) != old { throw error("remove", name, .changed) }
      try unlocked(path) { try files.remove(path) }
    }
  }

  /// Writes the content with one write(2), since each one is a firmware call.
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
    // efivarfs sets the size itself; in a plain directory, truncate a longer old content.
    if try descriptor.status(path: path).size > content.count { ftruncate(descriptor.number, content.count) }
  }

  /// Retries EINTR only twice: it may be a signal, or the firmware's EFI_ABORTED, which could repeat forever.
  private func write(_ content: [UInt8], to descriptor: Descriptor, path: String) throws {
    var written = -1
    for _ in 0..<3 {
      written = content.withUnsafeBytes { Glibc.write(descriptor.number, $0.baseAddress, $0.count) }
      if written != -1 || errno != EINTR { break }
    }
    guard written != -1 else { throw HostError("write", files.display(path), errno: errno) }
    guard written == content.count else { throw HostError("write", files.display(path), errno: EIO) }
  }

  /// Runs `body` with the file's immutable flag cleared, and sets the flag again if the file still exists.
  ///
  /// Linux sets it for every variable that it does not know to be safe to change.
  private func unlocked(_ path: String, _ body: () throws -> Void) throws {
    // The flag must be restored even after Ctrl-C.
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
    try SystemCall.check("change the flags of", files.display(path)) {
      psu_set_immutable(descriptor.number, immutable ? 1 : 0)
    }
  }

  private func path(of name: String) -> String { "\(directory)/\(name)" }

  /// The directory's path as seen from outside the host's root, for messages.
  var displayPath: String { files.display(directory) }

  /// The directory, open for reading; nil if it does not exist.
  func directoryDescriptor() throws -> Descriptor? {
    guard try files.exists(directory) else { return nil }
    return try files.open(directory, O_RDONLY | O_DIRECTORY, operation: "examine")
  }
}

extension EFIVariableStore {
  /// Converts error numbers of efivarfs to `EFIVariableError`.
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
    EFIVariableError(operation, EFIVariableName.name(ofFile: name), cause)
  }
}
