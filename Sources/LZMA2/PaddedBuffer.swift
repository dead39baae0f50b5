// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Memory with room before and after what counts, freed with the last reference.
///
/// The coders read and write a few bytes beyond an end instead of asking before each whether they may; the padding is
/// where those lie. The maker of a buffer fills it; once it is shared it is only read, so sharing is safe.
package final class PaddedBuffer: @unchecked Sendable {
  /// Bytes before the first that counts.
  ///
  /// They are zero, as what stands before a dictionary is by definition.
  static let lead = 64
  /// Bytes after the last that counts.
  ///
  /// More than a symbol of LZMA has bits, and than a copy of a match runs over its end.
  static let tail = 64

  private let memory: UnsafeMutableRawPointer
  /// Number of bytes that count.
  package let count: Int

  package init(count: Int) {
    self.count = count
    memory = .allocate(byteCount: Self.lead + count + Self.tail, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: Self.lead)
    (memory + Self.lead + count).initializeMemory(as: UInt8.self, repeating: 0, count: Self.tail)
  }

  deinit { memory.deallocate() }

  /// The bytes that count, valid while this object lives.
  package var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: memory + Self.lead, count: count)
  }

  /// The first byte that counts.
  var start: UnsafeMutablePointer<UInt8> { (memory + Self.lead).assumingMemoryBound(to: UInt8.self) }
}
