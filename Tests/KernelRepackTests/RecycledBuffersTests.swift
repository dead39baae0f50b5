// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import KernelRepack
import Testing

@Suite struct RecycledBuffersTests {
  @Test func freedMemoryIsUsedAgain() {
    let buffers = RecycledBuffers(blocks: 1)
    let (large, small) = (buffers.take(4000), buffers.take(1000))
    #expect(large.count >= 4000 && small.count >= 1000 && large.start != small.start)
    buffers.giveBack(large)
    buffers.giveBack(small)
    let again = buffers.take(900)
    #expect(again.start == small.start && again.count == small.count)
    let other = buffers.take(1001)
    #expect(other.start == large.start)
    buffers.giveBack(again)
    buffers.giveBack(other)
  }

  @Test func memoryThatIsTooSmallOrFarTooLargeIsNotUsed() {
    let buffers = RecycledBuffers(blocks: 1)
    let memory = buffers.take(4000)
    buffers.giveBack(memory)
    for count in [4001, 999] {
      let other = buffers.take(count)
      #expect(other.start != memory.start && other.count >= count, "\(count)")
      other.deallocate()
    }
  }

  /// Four buffers for each block; the oldest ones are freed.
  @Test func theNumberOfSpareBuffersIsLimited() {
    let buffers = RecycledBuffers(blocks: 1)
    let memory = (1...6).map { buffers.take($0 * 1000) }
    for memory in memory { buffers.giveBack(memory) }
    let kept = (1...4).map { _ in buffers.take(2000) }
    #expect(kept.map(\.count) == [3000, 4000, 5000, 6000])
    for memory in kept { memory.deallocate() }
  }
}
