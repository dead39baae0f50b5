// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import Messages

/// An open file descriptor, closed when the last reference is gone.
///
/// A class, since the supported compilers crash on a non-copyable structure here.
final class Descriptor: Sendable {
  let number: Int32

  init(owning number: Int32) { self.number = number }
  deinit { _ = close(number) }

  func status(path: String) throws(HostError) -> FileStatus {
    var status = stat()
    try SystemCall.check("examine", path) { fstat(number, &status) }
    return FileStatus(status)
  }

  /// Reads from `offset` until `buffer` is full or the file ends, and returns the number of bytes read.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int, path: String) throws(HostError) -> Int {
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let got = try SystemCall.check("read", path) { pread(number, rest.baseAddress, rest.count, offset + done) }
      if got == 0 { break }
      done += got
    }
    return done
  }

  func synchronize(path: String) throws(HostError) { try Self.synchronize(number, path: path) }

  /// Writes the descriptor's data to the medium.
  ///
  /// Ignores EINVAL and ENOTSUP from file systems that do not support this.
  static func synchronize(_ number: Int32, path: String) throws(HostError) {
    do throws(HostError) {
      try SystemCall.check("sync", path) { fsync(number) }
    } catch {
      guard error.errno == EINVAL || error.errno == ENOTSUP else { throw error }
    }
  }
}
