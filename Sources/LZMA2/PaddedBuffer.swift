// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// Memory with padding before and after the payload, freed with the last reference.
///
/// The padding lets the coders read and write a few bytes past an end without checking each byte. The creator fills the
/// buffer; once shared it is only read, so sharing is safe.
package final class PaddedBuffer: @unchecked Sendable {
  /// Number of padding bytes before the payload.
  ///
  /// They are zero, which LZMA defines for bytes before a dictionary.
  static let lead = 64
  /// Number of padding bytes after the payload.
  ///
  /// More than an LZMA symbol has bits, and more than the copy of a match writes past its end.
  static let tail = 64

  private let source: any BufferSource
  private let use: BufferUse
  private let memory: BufferMemory
  /// Size of the payload in bytes.
  package let count: Int

  /// The payload has any content.
  package init(count: Int, for use: BufferUse = .text, from source: any BufferSource = HeapBuffers()) {
    self.count = count
    self.source = source
    self.use = use
    memory = source.take(Self.lead + count + Self.tail, for: use)
    memory.start.initializeMemory(as: UInt8.self, repeating: 0, count: Self.lead)
    (memory.start + Self.lead + count).initializeMemory(as: UInt8.self, repeating: 0, count: Self.tail)
  }

  deinit { source.giveBack(memory, from: use) }

  /// The payload, valid while this object lives.
  package var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: memory.start + Self.lead, count: count)
  }

  /// The first byte of the payload.
  var start: UnsafeMutablePointer<UInt8> { (memory.start + Self.lead).assumingMemoryBound(to: UInt8.self) }
}
