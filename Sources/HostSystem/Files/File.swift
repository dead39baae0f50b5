// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Glibc
import Messages

/// A regular file that is open for reading, closed when the last reference is gone.
package final class File: RandomAccessBytes, Sendable {
  /// The path, for messages.
  package let path: String
  /// The status when it was opened.
  package let status: FileStatus
  private let descriptor: Descriptor
  /// Nil if the file is read through the page cache.
  private let medium: MediumReader?

  /// Bytes: 1 TiB, so that sums of sizes cannot overflow.
  private static let sizeLimit = 1 << 40

  /// Takes over an open descriptor.
  ///
  /// Throws `HostError` unless it is a regular file of at most 1 TiB.
  ///
  /// With `fromMedium`, it is read from the medium if its file system can do that.
  init(owning descriptor: Descriptor, path: String, fromMedium: Bool = false) throws(HostError) {
    let status = try descriptor.status(path: path)
    guard status.kind == .regular else {
      let directory = status.kind == .directory
      throw HostError("open", path, detail: directory ? "it is a directory" : "it is not a regular file")
    }
    guard status.size <= Self.sizeLimit else {
      throw HostError("open", path, detail: "it is larger than \(Self.sizeLimit) bytes")
    }
    self.path = path
    self.status = status
    self.descriptor = descriptor
    medium = fromMedium ? MediumReader.of(descriptor) : nil
  }

  /// Whether every read so far came from the medium.
  package var isFromMedium: Bool { medium?.isDirect == true }

  /// The descriptor, valid as long as this value.
  var number: Int32 { descriptor.number }

  /// Size in bytes when it was opened, at most 1 TiB.
  package var count: Int { status.size }

  /// Fills `buffer` from `offset`.
  ///
  /// Throws `HostError` if the file ends first; for a range within `count`, it was truncated after it was opened.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    let got = try readAvailable(into: buffer, at: offset)
    guard got == buffer.count else {
      throw HostError(
        "read", path, detail: "it changed while it was read: expected \(buffer.count) bytes at \(offset), found \(got)")
    }
  }

  /// Throws `HostError` if the file was written to since it was opened.
  package func requireUnchanged() throws {
    let now = try descriptor.status(path: path)
    guard now.size == status.size, now.modified == status.modified else {
      throw HostError("read", path, detail: "it changed while it was read", hint: "try again when the file is complete")
    }
  }

  /// Reads from `offset` until `buffer` is full or the file ends, and returns the number of bytes read.
  func readAvailable(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(HostError) -> Int {
    if let medium { return try medium.read(into: buffer, at: offset, path: path) }
    return try descriptor.read(into: buffer, at: offset, path: path)
  }

  /// The whole content with one system call; nil unless it has the size that the file had when it was opened.
  private func readOnce() throws -> [UInt8]? {
    var got = 0
    let content = try [UInt8](unsafeUninitializedCapacity: count + 1) { buffer, initialized in
      got = try SystemCall.check("read", path) { pread(number, buffer.baseAddress, count + 1, 0) }
      initialized = got
    }
    return got == count ? content : nil
  }

  /// The whole content, read to the end regardless of the size: procfs reports its files as empty.
  ///
  /// Throws `HostError` if there are more than `limit` bytes.
  package func readToEnd(limit: Int) throws -> [UInt8] {
    if count > 0, count <= limit, medium == nil, let content = try readOnce() { return content }
    var content: [UInt8] = []
    var room = max(min(count, limit) + 1, min(4096, limit + 1))
    while content.count <= limit {
      let start = content.count
      let wanted = min(room, limit + 1 - start)
      let chunk = try [UInt8](unsafeUninitializedCapacity: wanted) { buffer, initialized in
        initialized = try readAvailable(into: UnsafeMutableRawBufferPointer(buffer), at: start)
      }
      content += chunk
      if chunk.count < wanted { return content }
      room *= 2
    }
    throw HostError("read", path, detail: "it is larger than \(limit) bytes")
  }
}
