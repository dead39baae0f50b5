// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import func Glibc.memcmp

/// Compares bytes that arrive in order with a source, which is read one buffer at a time.
package struct ByteComparison: ~Copyable {
  private let source: any RandomAccessBytes
  private let buffer = TransferBuffer()
  /// Bytes that were equal so far, which is the offset of the next one.
  package private(set) var count: Int

  /// Compares with `source` from `offset` on.
  package init(with source: any RandomAccessBytes, from offset: Int = 0) {
    self.source = source
    count = offset
  }

  /// Whether the next bytes of the source are `bytes`; false if it ends before.
  ///
  /// Throws if the source cannot be read.
  package mutating func matches(_ bytes: UnsafeRawBufferPointer) throws -> Bool {
    guard bytes.count <= source.count - count else { return false }
    var done = 0
    while done < bytes.count {
      let length = min(buffer.bytes.count, bytes.count - done)
      let chunk = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<length])
      try source.read(into: chunk, at: count)
      guard UnsafeRawBufferPointer(chunk).hasSameBytes(as: .init(rebasing: bytes[done..<done + length])) else {
        return false
      }
      done += length
      count += length
    }
    return true
  }

  /// As above, for bytes in memory.
  package mutating func matches(_ bytes: [UInt8]) throws -> Bool { try bytes.withUnsafeBytes { try matches($0) } }

  /// Whether all bytes of the source were compared.
  package var isComplete: Bool { count == source.count }

  /// Whether two sources have the same bytes.
  ///
  /// Throws if one cannot be read.
  package static func areEqual(_ left: any RandomAccessBytes, _ right: any RandomAccessBytes) throws -> Bool {
    struct Mismatch: Error {}
    guard left.count == right.count else { return false }
    var comparison = ByteComparison(with: left)
    do {
      try TransferBuffer().forEachChunk(of: right, in: 0..<right.count) {
        guard try comparison.matches($0) else { throw Mismatch() }
      }
      return true
    } catch is Mismatch {
      return false
    }
  }
}

extension UnsafeRawBufferPointer {
  /// Whether the content is the same.
  package func hasSameBytes(as other: UnsafeRawBufferPointer) -> Bool {
    guard let start = baseAddress, let otherStart = other.baseAddress else { return count == other.count }
    return count == other.count && memcmp(start, otherStart, count) == 0
  }
}
