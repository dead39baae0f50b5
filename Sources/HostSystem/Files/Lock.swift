// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
internal import Messages

/// An exclusive lock (flock(2)) on a permanent file; released when the value is gone or the process ends.
package final class Lock: Sendable {
  private let descriptor: Descriptor

  init(owning descriptor: Descriptor) { self.descriptor = descriptor }

  // After close(2) alone, a child between fork(2) and execve(2) would still hold the lock by its descriptor.
  deinit { _ = flock(descriptor.number, LOCK_UN) }
}

extension FileSystem {
  /// Takes the lock `path`, waiting at most `seconds` for another process to release it.
  ///
  /// Throws `HostError` that names the holder after this time.
  package func lock(_ path: String, waitingAtMost seconds: Int = 60) throws -> Lock {
    let descriptor = try openLockFile(path)
    var attempts = max(0, seconds) * 10
    while flock(descriptor.number, LOCK_EX | LOCK_NB) != 0 {
      guard errno == EWOULDBLOCK || errno == EINTR else { throw HostError("lock", display(path), errno: errno) }
      guard attempts > 0 else {
        let holder = try holder(of: descriptor.status(path: path))
        throw HostError(
          "lock", display(path), detail: "\(holder) has held it for \(seconds) seconds",
          hint: "wait for it to end and try again")
      }
      attempts -= 1
      usleep(100_000)
    }
    return Lock(owning: descriptor)
  }

  private func openLockFile(_ path: String) throws -> Descriptor {
    do throws(HostError) {
      return try open(path, O_RDWR | O_NOFOLLOW, operation: "lock")
    } catch {
      guard error.meansAbsent else { throw error }
    }
    try makeDirectory(PathName(path).directory, mode: 0o755)
    try gate(Mutation(.create, path))
    let descriptor = try open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600, operation: "lock")
    try SystemCall.check("change the mode of", display(path)) { fchmod(descriptor.number, 0o600) }
    return descriptor
  }

  /// The process that holds the lock and its command, from /proc/locks, such as
  /// `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF`.
  private func holder(of file: FileStatus) throws -> Message {
    let system = FileSystem(gate: gate)
    let locks = try system.readTextIfPresent("/proc/locks", limit: 1 << 20) ?? ""
    for line in locks.split(separator: "\n") {
      let fields = line.split(separator: " ", omittingEmptySubsequences: true)
      guard fields.count == 8, fields[1] == "FLOCK", fields[5].hasSuffix(":\(file.inode)") else { continue }
      guard let process = Int(fields[4]), process > 0 else { continue }
      let command = try? system.readTextIfPresent("/proc/\(process)/comm", limit: 64)?.split(separator: "\n").first
      return command.map { "process \(process) (\($0))" } ?? "process \(process)"
    }
    return "another process"
  }
}
