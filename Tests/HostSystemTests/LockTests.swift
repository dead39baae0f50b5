// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import HostSystem
import TestSupport
import Testing

@Suite struct LockTests {
  @Test func aHeldLockIsWaitedForAndItsHolderNamed() throws {
    let directory = try TemporaryDirectory()
    let recorder = MutationRecorder()
    let files = try FileSystem(root: directory.path, gate: recorder.gate)
    do {
      let lock = try files.lock("/run/x/lock")
      withExtendedLifetime(lock) {
        let error = thrown(HostError.self) { _ = try files.lock("/run/x/lock", waitingAtMost: 0) }
        #expect(error?.description.contains("process \(getpid())") == true)
      }
    }
    let count = recorder.mutations.count
    _ = try files.lock("/run/x/lock", waitingAtMost: 0)
    #expect(recorder.mutations.count == count)
  }
}
