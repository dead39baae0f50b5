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

  @Test func theProcessorCountIsPositive() {
    #expect(ParallelWork.processorCount >= 1)
  }
}
