// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import HostSystem

/// Keeps the memory of freed buffers for the next ones.
///
/// All blocks of a package need buffers of similar sizes. New memory costs a page fault for every 4 KiB, in all about a
/// tenth of the time in which a block is decoded.
package final class RecycledBuffers: BufferSource {
  private let spare = Guarded<[BufferMemory]>([])
  /// The number of buffers that are kept.
  private let limit: Int

  /// `blocks` is the number of blocks in memory at a time.
  package init(blocks: Int) {
    // Compressed data, text, symbols and edited text.
    limit = 4 * blocks
  }

  deinit { for memory in spare.withLock({ $0 }) { memory.deallocate() } }

  /// Returns the smallest spare memory that is large enough, unless that is more than four times as large.
  ///
  /// Pages that were never touched cost nothing, so the rest of a larger one is free.
  package func take(_ count: Int) -> BufferMemory {
    let found = spare.withLock { spare -> BufferMemory? in
      let fitting = spare.indices.filter { count...4 * count ~= spare[$0].count }
      return fitting.min { spare[$0].count < spare[$1].count }.map { spare.remove(at: $0) }
    }
    return found ?? BufferMemory(count: count)
  }

  package func giveBack(_ memory: BufferMemory) {
    let surplus = spare.withLock { spare -> BufferMemory? in
      spare.append(memory)
      return spare.count > limit ? spare.removeFirst() : nil
    }
    surplus?.deallocate()
  }
}
