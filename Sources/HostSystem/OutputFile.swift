// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Glibc
import Messages

/// The file that `FileSystem.replaceFile` is writing; what was written can be patched until the body returns.
package final class OutputFile: ByteSink {
  /// The final path, for messages.
  package let path: String
  /// Bytes appended so far, which is the offset of the next one.
  package private(set) var count = 0
  private let temporaryPath: String
  private let number: Int32
  private let gate: Mutation.Gate

  /// Writes to `number`, which stays the caller's to close.
  init(borrowing number: Int32, path: String, temporaryPath: String, gate: @escaping Mutation.Gate) {
    self.number = number
    self.path = path
    self.temporaryPath = temporaryPath
    self.gate = gate
  }

  /// Appends `bytes`.
  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    try put(bytes, at: count)
    count += bytes.count
  }

  /// Overwrites bytes that were written before. Throws `HostError` if the range goes beyond them.
  package func patch(_ bytes: [UInt8], at offset: Int) throws {
    guard offset >= 0, offset <= count, bytes.count <= count - offset else {
      throw HostError("write", path, detail: "\(bytes.count) bytes at \(offset) are outside the \(count) written")
    }
    try bytes.withUnsafeBytes { try put($0, at: offset) }
  }

  private func put(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    var done = 0
    while done < bytes.count {
      try gate(Mutation(.write, temporaryPath))
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      done += try put(rest, startingAt: offset + done)
    }
  }

  private func put(_ bytes: UnsafeRawBufferPointer, startingAt offset: Int) throws(HostError) -> Int {
    do throws(HostError) {
      return try SystemCall.check("write", path) { pwrite(number, bytes.baseAddress, bytes.count, offset) }
    } catch {
      guard error.errno == ENOSPC || error.errno == EDQUOT else { throw error }
      throw HostError("write", path, errno: error.errno, hint: "free some space on that file system and try again")
    }
  }
}
