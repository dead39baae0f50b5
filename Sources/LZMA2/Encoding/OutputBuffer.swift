// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// An append-only buffer that uses borrowed memory until it is full, then its own.
package final class OutputBuffer {
  private var start: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  private(set) var count = 0
  /// Whether the bytes are in memory owned by this object.
  package private(set) var isOwner: Bool

  /// Starts with `memory`, which must stay valid while this object is used.
  package init(borrowing memory: UnsafeMutableBufferPointer<UInt8>) {
    capacity = memory.baseAddress == nil ? 1 : memory.count
    isOwner = memory.baseAddress == nil
    start = memory.baseAddress ?? .allocate(capacity: 1)
  }

  deinit { if isOwner { start.deallocate() } }

  /// The bytes written so far, valid until the next write and while this object and the borrowed memory exist.
  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

  /// Returns where `room` bytes may be written; valid until the next call.
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

  /// Adds `written` bytes that were written at the address from `reserve`.
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
