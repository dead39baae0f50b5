// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Memory of a large buffer.
package struct BufferMemory: @unchecked Sendable {  // the owner decides who uses it
  package let start: UnsafeMutableRawPointer
  /// Bytes.
  package let count: Int

  /// Allocates `count` bytes with any content, aligned to 64 bytes.
  package init(count: Int) {
    start = .allocate(byteCount: count, alignment: 64)
    self.count = count
  }

  /// Frees the memory, which must not be used again.
  package func deallocate() { start.deallocate() }
}

/// What a buffer contains.
///
/// Buffers for the same use have similar sizes.
package enum BufferUse: Sendable {
  case compressedData, text, symbols
}

/// Provides the memory of large buffers and takes it back when they are freed.
package protocol BufferSource: Sendable {
  /// Returns at least `count` bytes with any content.
  func take(_ count: Int, for use: BufferUse) -> BufferMemory
  /// Takes back memory that was provided for `use`.
  func giveBack(_ memory: BufferMemory, from use: BufferUse)
}

/// Allocates and frees.
package struct HeapBuffers: BufferSource {
  package init() {}
  package func take(_ count: Int, for use: BufferUse) -> BufferMemory { BufferMemory(count: count) }
  package func giveBack(_ memory: BufferMemory, from use: BufferUse) { memory.deallocate() }
}
