// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// Ranges of a source, read as if they followed each other, with zeros before a range that would not be aligned.
package struct JoinedBytes: RandomAccessBytes {
  private let source: any RandomAccessBytes
  /// Where each range starts in the joined bytes.
  private let pieces: [(start: Int, range: Range<Int>)]
  package let count: Int

  /// The ranges must be within `source`; `alignment` is a power of two.
  package init(_ source: any RandomAccessBytes, _ ranges: [Range<Int>], alignment: Int = 1) {
    self.source = source
    var end = 0
    var pieces: [(start: Int, range: Range<Int>)] = []
    for range in ranges where !range.isEmpty {
      end = (end + alignment - 1) & ~(alignment - 1)
      pieces.append((end, range))
      end += range.count
    }
    self.pieces = pieces
    count = end
  }

  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    guard offset >= 0, offset <= count, buffer.count <= count - offset else {
      throw ParseError(
        "bytes", at: max(0, offset), .truncated, "expected \(buffer.count) bytes, found \(max(0, count - offset))")
    }
    guard !buffer.isEmpty else { return }
    buffer.initializeMemory(as: UInt8.self, repeating: 0)
    for (start, range) in pieces {
      let wanted = max(start, offset)..<max(max(start, offset), min(start + range.count, offset + buffer.count))
      guard !wanted.isEmpty else { continue }
      let target = buffer[(wanted.lowerBound - offset)..<(wanted.upperBound - offset)]
      try source.read(
        into: UnsafeMutableRawBufferPointer(rebasing: target), at: range.lowerBound + wanted.lowerBound - start)
    }
  }

  package func requireUnchanged() throws { try source.requireUnchanged() }
}
