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
    let other = buffers.take(10, for: .text)
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
    #expect(buffers.take(1, for: .text).start == memory.start)
    memory.deallocate()
  }

  /// Otherwise all that is too small would remain until the end.
  @Test func memoryThatIsTooSmallIsReplaced() {
    buffers.giveBack(buffers.take(1000, for: .text), from: .text)
    let larger = buffers.take(5000, for: .text)
    #expect(larger.count >= 5000)
    let another = buffers.take(1000, for: .text)
    #expect(another.count < 5000)
    buffers.giveBack(larger, from: .text)
    buffers.giveBack(another, from: .text)
  }

  @Test func twoBuffersForEachUseAreKept() {
    let memory = (1...3).map { buffers.take($0 * 1000, for: .symbols) }
    for memory in memory { buffers.giveBack(memory, from: .symbols) }
    let again = (1...2).map { _ in buffers.take(1, for: .symbols) }
    #expect(again.map(\.start) == memory[..<2].map(\.start))
    for memory in again { memory.deallocate() }
  }
}
