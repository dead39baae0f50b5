// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
internal import Messages

extension FileSystem {
  /// The kernel's messages since it started: the records of /dev/kmsg, as far as its buffer still has them
  /// (Documentation/ABI/testing/dev-kmsg of Linux).
  ///
  /// Never waits for a message, and returns at most `limit` bytes. Empty if the file does not exist. Throws `HostError`.
  package func kernelLog(limit: Int = 16 << 20) throws -> [UInt8] {
    let path = "/dev/kmsg"
    guard try exists(path) else { return [] }
    let descriptor = try open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, operation: "read")
    var log: [UInt8] = []
    // Each read(2) returns one record; a longer one than the buffer would be an error.
    var record = [UInt8](repeating: 0, count: 16 << 10)
    var losses = 0
    while log.count < limit {
      let count = record.withUnsafeMutableBytes { Glibc.read(descriptor.number, $0.baseAddress, $0.count) }
      if count > 0 {
        log += record[..<min(count, limit - log.count)]
        continue
      }
      // EPIPE: the kernel has overwritten the next record, and continues with the oldest one that it still has.
      guard count < 0, errno == EINTR || errno == EPIPE, losses < 1000 else {
        if count == 0 || errno == EAGAIN || errno == EPIPE || errno == EINTR { break }
        throw HostError("read", display(path), errno: errno)
      }
      losses += 1
    }
    return log
  }
}
