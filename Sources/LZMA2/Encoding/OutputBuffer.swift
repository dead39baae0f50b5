// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Memory that is written to at its end: borrowed as long as that has room, then its own.
package final class OutputBuffer {
  private var start: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  private(set) var count = 0
  /// Whether the bytes lie in memory that goes with this object.
  package private(set) var isOwner: Bool

  /// Writes to `memory` first, which is there as long as this object is used.
  package init(borrowing memory: UnsafeMutableBufferPointer<UInt8>) {
    capacity = memory.baseAddress == nil ? 1 : memory.count
    isOwner = memory.baseAddress == nil
    start = memory.baseAddress ?? .allocate(capacity: 1)
  }

  deinit { if isOwner { start.deallocate() } }

  /// What was written, valid while this object and what it borrowed live and are not written to.
  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

  /// Where `room` bytes may be written, until the next call.
  func reserve(_ room: Int) -> UnsafeMutablePointer<UInt8> {
    if capacity - count < room {
      capacity = max(capacity + capacity / 2, count + room)
      let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
      larger.update(from: start, count: count)
      if isOwner { start.deallocate() }
      start = larger
      isOwner = true
    }
    return start + count
  }

  /// Counts `written` bytes that were written where `reserve` said.
  func commit(_ written: Int) { count += written }

  func append(_ bytes: UnsafePointer<UInt8>, count: Int) {
    reserve(count).update(from: bytes, count: count)
    commit(count)
  }

  func append(_ byte: UInt8) {
    reserve(1).pointee = byte
    commit(1)
  }
}
