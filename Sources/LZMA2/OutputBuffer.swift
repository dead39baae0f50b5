// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Memory that grows at its end, freed with the last reference.
package final class OutputBuffer {
  private(set) var start: UnsafeMutablePointer<UInt8>
  private(set) var count = 0
  private var capacity: Int

  init(capacity: Int) {
    self.capacity = max(1, capacity)
    start = .allocate(capacity: self.capacity)
  }

  deinit { start.deallocate() }

  /// What was written, valid while this object lives and is not written to.
  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

  /// Where `room` bytes may be written, until the next call.
  func reserve(_ room: Int) -> UnsafeMutablePointer<UInt8> {
    if capacity - count < room {
      capacity = max(capacity + capacity / 2, count + room)
      let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
      larger.moveInitialize(from: start, count: count)
      start.deallocate()
      start = larger
    }
    return start + count
  }

  /// Counts `written` bytes that were written where `reserve` said.
  func commit(_ written: Int) { count += written }

  func append(_ bytes: UnsafePointer<UInt8>, count: Int) {
    reserve(count).update(from: bytes, count: count)
    commit(count)
  }

  func append(_ bytes: UInt8...) {
    let target = reserve(bytes.count)
    for (index, byte) in bytes.enumerated() { target[index] = byte }
    commit(bytes.count)
  }
}
