// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import Testing

@Suite struct GuardedTests {
  private struct Refusal: Error {}

  @Test func concurrentChangesAreNotLost() throws {
    let numbers = Guarded([Int]())
    _ = try ParallelWork.map(2000, workers: 8) { number in numbers.withLock { $0.append(number) } }
    #expect(numbers.withLock { $0.sorted() } == Array(0..<2000))
  }

  @Test func anErrorReleasesTheLock() {
    let number = Guarded(1)
    #expect(throws: Refusal.self) {
      try number.withLock { value in
        value += 1
        throw Refusal()
      }
    }
    #expect(number.withLock { $0 } == 2)
  }
}
