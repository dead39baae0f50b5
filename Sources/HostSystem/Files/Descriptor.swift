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

  /// Writes at `offset` and returns the number of bytes written, which may be less.
  ///
  /// An error for lack of room has a hint.
  static func write(
    _ bytes: UnsafeRawBufferPointer, to number: Int32, at offset: Int, path: String
  ) throws(HostError) -> Int {
    do throws(HostError) {
      return try SystemCall.check("write", path) { pwrite(number, bytes.baseAddress, bytes.count, offset) }
    } catch {
      var error = error
      switch error.errno {
      case ENOSPC, EDQUOT: error.hint = "free some space on that file system and try again"
      case EFBIG: error.hint = "run 'ulimit -f unlimited', or use a file system for larger files"
      default: break
      }
      throw error
    }
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
