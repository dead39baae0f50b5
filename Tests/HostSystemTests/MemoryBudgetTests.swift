// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import Testing

@Suite struct MemoryBudgetTests {
  /// Work that needs more than the whole budget runs alone.
  @Test(arguments: [(30, 3), (100, 1), (1000, 1)]) func theBudgetIsNeverExceeded(_ bytes: Int, _ together: Int) throws {
    let budget = MemoryBudget(bytes: 100)
    let running = Guarded((now: 0, most: 0))
    _ = try ParallelWork.map(50, workers: 8) { _ in
      budget.reserving(bytes) {
        running.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
        for _ in 0..<1000 { _ = running.withLock { $0.now } }
        running.withLock { $0.now -= 1 }
      }
    }
    #expect(running.withLock { $0.now } == 0 && running.withLock { $0.most } <= together)
  }

  @Test func anErrorGivesTheMemoryBack() {
    struct Failed: Error {}
    let budget = MemoryBudget(bytes: 1)
    for _ in 0..<2 { #expect(throws: Failed.self) { try budget.reserving(1) { throw Failed() } } }
  }
}
