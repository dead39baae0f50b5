// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import TestSupport
import Testing

@Suite struct ParallelWorkTests {
  private struct Refusal: Error, Equatable { var number: Int }

  @Test(arguments: [1, 2, 7, 100])
  func resultsAreInOrder(_ workers: Int) throws {
    let squares = try ParallelWork.map(50, workers: workers) { $0 * $0 }
    #expect(squares == (0..<50).map { $0 * $0 })
    #expect(try ParallelWork.map(0, workers: workers) { $0 } == [])
  }

  @Test(arguments: [1, 2, 7])
  func theFirstFailureIsThrown(_ workers: Int) {
    let refusal = thrown(Refusal.self) {
      try ParallelWork.map(1000, workers: workers) { number in
        if number >= 3 { throw Refusal(number: number) }
      }
    }
    #expect(refusal == Refusal(number: 3))
  }

  /// As pthread_create fails at RLIMIT_NPROC.
  @Test("The threads that could be started do all the work", arguments: [0, 1, 2, 5])
  func fewerThreads(_ limit: Int) throws {
    var started = 0
    let squares = try ParallelWork.map(
      200, workers: 24,
      startingThreads: { body in
        guard started < limit else { return nil }
        started += 1
        return ParallelWork.startThread(body)
      }, { $0 * $0 })
    #expect(squares == (0..<200).map { $0 * $0 })
    #expect(started == limit)
  }

  @Test func theProcessorCountIsPositive() {
    #expect(ParallelWork.processorCount >= 1)
  }
}
