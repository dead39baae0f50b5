// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The destination of an image: bytes are appended in order, and a few early bytes are patched at the end.
package protocol ByteSink: AnyObject {
  /// Appends all of `bytes`. Throws if writing fails.
  func write(_ bytes: UnsafeRawBufferPointer) throws
  /// Overwrites bytes already written, starting at `offset`.
  func patch(_ bytes: [UInt8], at offset: Int) throws
}

extension ByteSink {
  package func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

  /// Appends `range` of `source`, or all of it.
  ///
  /// Throws if reading or writing fails.
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
  /// Reserves memory for `count` bytes.
  package init(reserving count: Int = 0) { bytes.reserveCapacity(count) }
  package func write(_ more: UnsafeRawBufferPointer) { bytes.append(contentsOf: more) }
  package func patch(_ patch: [UInt8], at offset: Int) {
    bytes.replaceSubrange(offset..<offset + patch.count, with: patch)
  }
}
