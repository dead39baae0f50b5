// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc

/// An open file descriptor, closed when the last reference is gone.
///
/// A class, since the compilers this builds with crash on the non-copyable structure it wants to be.
final class Descriptor: Sendable {
  let number: Int32

  init(owning number: Int32) { self.number = number }
  deinit { _ = close(number) }

  func status(path: String) throws(HostError) -> FileStatus {
    var status = stat()
    try SystemCall.check("examine", path) { fstat(number, &status) }
    return FileStatus(status)
  }

  func synchronize(path: String) throws(HostError) { try Self.synchronize(number, path: path) }

  /// Brings the descriptor's data to the medium. File systems that cannot (EINVAL, ENOTSUP) have nothing to wait for.
  static func synchronize(_ number: Int32, path: String) throws(HostError) {
    do throws(HostError) {
      try SystemCall.check("bring to disk", path) { fsync(number) }
    } catch {
      guard error.errno == EINVAL || error.errno == ENOTSUP else { throw error }
    }
  }
}
