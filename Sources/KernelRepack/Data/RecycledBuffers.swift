// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import HostSystem

/// Keeps the memory of freed buffers for the next ones.
///
/// All blocks of a package need buffers of similar sizes. New memory costs a page fault for every 4 KiB, in all about a
/// tenth of the time in which a block is decoded.
package final class RecycledBuffers: BufferSource {
  private let spare = Guarded<[BufferUse: [BufferMemory]]>([:])
  /// The number of buffers for each use that are kept.
  private let limit: Int

  /// `workers` is the number of threads that need buffers.
  package init(workers: Int) {
    // The text of a block before and after its edits.
    limit = 2 * workers
  }

  deinit {
    for memory in spare.withLock({ $0.values.joined() }) { memory.deallocate() }
  }

  /// Returns the smallest spare memory for this use that fits, or new memory instead of one that is too small or more
  /// than twice too large.
  package func take(_ count: Int, for use: BufferUse) -> BufferMemory {
    let fitting = count...max(count, 2 * count)
    let found = spare.withLock { spare -> BufferMemory? in
      let kept = spare[use, default: []]
      let best = kept.indices.filter { fitting ~= kept[$0].count }.min { kept[$0].count < kept[$1].count }
      return kept.isEmpty ? nil : spare[use]?.remove(at: best ?? kept.startIndex)
    }
    if let found {
      if fitting ~= found.count { return found }
      found.deallocate()
    }
    // A quarter more, so that it also fits a larger block. Pages that are never touched cost nothing.
    return BufferMemory(count: count + count / 4)
  }

  package func giveBack(_ memory: BufferMemory, from use: BufferUse) {
    let isKept = spare.withLock { spare in
      guard spare[use, default: []].count < limit else { return false }
      spare[use, default: []].append(memory)
      return true
    }
    if !isKept { memory.deallocate() }
  }
}
