// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import KernelRepack
import Testing

@Suite struct RecycledBuffersTests {
  private let buffers = RecycledBuffers(workers: 1)

  @Test func freedMemoryIsUsedAgain() {
    let (large, small) = (buffers.take(4000, for: .text), buffers.take(1000, for: .text))
    #expect(large.count >= 4000 && small.count >= 1000 && large.start != small.start)
    buffers.giveBack(large, from: .text)
    buffers.giveBack(small, from: .text)
    let again = buffers.take(900, for: .text)
    #expect(again.start == small.start && again.count == small.count)
    let other = buffers.take(2500, for: .text)
    #expect(other.start == large.start)
    buffers.giveBack(again, from: .text)
    buffers.giveBack(other, from: .text)
  }

  @Test func memoryForAnotherUseIsNotUsed() {
    let memory = buffers.take(4000, for: .text)
    buffers.giveBack(memory, from: .text)
    let symbols = buffers.take(4000, for: .symbols)
    #expect(symbols.start != memory.start)
    buffers.giveBack(symbols, from: .symbols)
    #expect(buffers.take(4000, for: .text).start == memory.start)
    memory.deallocate()
  }

  /// Otherwise all that does not fit would remain until the end.
  @Test(arguments: [(1000, 5000), (5000, 1000)]) func memoryThatDoesNotFitIsReplaced(_ old: Int, _ new: Int) {
    buffers.giveBack(buffers.take(old, for: .text), from: .text)
    let replacement = buffers.take(new, for: .text)
    #expect(new...2 * new ~= replacement.count)
    // The old memory is gone.
    let another = buffers.take(old, for: .text)
    #expect(old...2 * old ~= another.count && another.start != replacement.start)
    buffers.giveBack(replacement, from: .text)
    buffers.giveBack(another, from: .text)
  }

  @Test func twoBuffersForEachUseAreKept() {
    let memory = (1...3).map { _ in buffers.take(1000, for: .symbols) }
    for memory in memory { buffers.giveBack(memory, from: .symbols) }
    let again = (1...2).map { _ in buffers.take(1000, for: .symbols) }
    #expect(again.map(\.start) == memory[..<2].map(\.start))
    for memory in again { memory.deallocate() }
  }
}
