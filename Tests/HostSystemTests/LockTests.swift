// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct LockTests {
  @Test func aHeldLockIsAwaitedAndItsHolderReported() throws {
    let directory = try TemporaryDirectory()
    let recorder = MutationRecorder()
    let files = try FileSystem(root: directory.path, gate: recorder.gate)
    do {
      let lock = try files.lock("/run/x/lock")
      try withExtendedLifetime(lock) {
        let error = thrown(HostError.self) { _ = try files.lock("/run/x/lock", waitingAtMost: 0) }
        let command = try FileSystem().readTextIfPresent("/proc/self/comm")?.split(separator: "\n").first
        let holder = "process \(getpid()) (\(try #require(command)))"
        #expect(error?.description.contains(": \(holder) has held it for 0 seconds") == true, "\(holder)")
        #expect(error?.hint != nil)
      }
    }
    let count = recorder.mutations.count
    _ = try files.lock("/run/x/lock", waitingAtMost: 0)
    #expect(recorder.mutations.count == count)
  }
}
