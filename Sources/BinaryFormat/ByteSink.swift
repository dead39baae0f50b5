// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Where an image is written to: appended to in order, with a few early bytes set again at the end.
package protocol ByteSink: AnyObject {
  /// Appends all of `bytes`. Throws if they cannot be written.
  func write(_ bytes: UnsafeRawBufferPointer) throws
  /// Overwrites bytes that were written before, from `offset` on.
  func patch(_ bytes: [UInt8], at offset: Int) throws
}

extension ByteSink {
  package func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

  /// Appends `range` of `source`, or all of it.
  ///
  /// Throws if that cannot be read or written.
  package func write(
    contentsOf source: any RandomAccessBytes, in range: Range<Int>? = nil,
    through buffer: TransferBuffer = TransferBuffer()
  ) throws {
    try buffer.forEachChunk(of: source, in: range ?? 0..<source.count) { try write($0) }
  }
}

/// A sink in memory, for small structures and tests.
package final class MemorySink: ByteSink {
  package private(set) var bytes: [UInt8] = []
  /// Takes memory for `count` bytes at once.
  package init(reserving count: Int = 0) { bytes.reserveCapacity(count) }
  package func write(_ more: UnsafeRawBufferPointer) { bytes.append(contentsOf: more) }
  package func patch(_ patch: [UInt8], at offset: Int) {
    bytes.replaceSubrange(offset..<offset + patch.count, with: patch)
  }
}
