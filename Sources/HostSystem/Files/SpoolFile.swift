// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import CLinux
import Glibc
internal import Messages

/// An unnamed temporary file to append to and read back; deleted with the last reference.
package final class SpoolFile: ByteSink, RandomAccessBytes, @unchecked Sendable {  // only one thread appends
  private let descriptor: Descriptor
  private let path: String
  private let gate: Mutation.Gate
  /// Bytes appended so far.
  package private(set) var count = 0

  init(owning descriptor: Descriptor, path: String, gate: @escaping Mutation.Gate) {
    self.descriptor = descriptor
    self.path = path
    self.gate = gate
  }

  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    try put(bytes, at: count)
    count += bytes.count
  }

  package func patch(_ bytes: [UInt8], at offset: Int) throws { try bytes.withUnsafeBytes { try put($0, at: offset) } }

  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    guard try descriptor.read(into: buffer, at: offset, path: path) == buffer.count else {
      throw HostError("read", path, detail: "it ends before byte \(offset + buffer.count)")
    }
  }

  private func put(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    var done = 0
    while done < bytes.count {
      try gate(Mutation(.write, path))
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      done += try Descriptor.write(rest, to: descriptor.number, at: offset + done, path: path)
    }
  }
}

extension FileSystem {
  /// A spool file on the file system that contains `directory`.
  ///
  /// Throws `HostError`.
  package func spoolFile(in directory: String) throws -> SpoolFile {
    try gate(Mutation(.create, directory))
    return SpoolFile(owning: try openNameless(in: directory), path: display(directory), gate: gate)
  }

  /// Opens a file with O_TMPFILE (open(2)), or if that is not supported (overlayfs before Linux 6.3) under a name that
  /// is unlinked immediately.
  private func openNameless(in directory: String) throws -> Descriptor {
    let operation: Message = "create a file in"
    do throws(HostError) {
      return try open(directory, psu_o_tmpfile | O_RDWR, mode: 0o600, operation: operation)
    } catch {
      guard error.errno == EOPNOTSUPP || error.errno == EISDIR else { throw error }
    }
    try removeAbandoned(in: directory, for: "spool")
    let parent = try open(directory, O_RDONLY | O_DIRECTORY)
    let name = TemporaryName.make(for: "spool", random: try randomBytes(8))
    let number = try SystemCall.check(operation, display(directory)) {
      openat(parent.number, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    }
    unlinkat(parent.number, name, 0)
    return Descriptor(owning: number)
  }
}
