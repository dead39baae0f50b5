// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// Bytes that can be read at any offset: a file, or an array in tests and for small data.
///
/// Payloads of hundreds of megabytes are read through this, one fixed buffer at a time.
package protocol RandomAccessBytes: Sendable {
  /// Number of bytes; constant during the lifetime of the value.
  var count: Int { get }

  /// Reads bytes from `offset` until `buffer` is full. Throws if there are fewer, also when the input shrinks while it
  /// is read.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws

  /// Throws if the bytes may have changed since the value was created, so that the data read may be partly old and
  /// partly new.
  func requireUnchanged() throws
}

extension RandomAccessBytes {
  /// Bytes in memory do not change.
  package func requireUnchanged() throws {}

  /// Bytes from `offset` to the end, for messages.
  fileprivate func remaining(from offset: Int) -> Int { Swift.max(0, count - Swift.max(0, offset)) }

  /// `count` bytes from `offset` as an array.
  ///
  /// Throws `ParseError` `truncated` if the range is not within the input.
  package func readBytes(at offset: Int, count wanted: Int, format: String) throws -> [UInt8] {
    guard offset >= 0, wanted >= 0, offset <= count, wanted <= count - offset else {
      throw ParseError(
        format, at: max(0, offset), .truncated, "expected \(wanted) bytes, found \(remaining(from: offset))")
    }
    return try [UInt8](unsafeUninitializedCapacity: wanted) { buffer, initialized in
      try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
      initialized = wanted
    }
  }
}

extension Array: RandomAccessBytes where Element == UInt8 {
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    guard offset >= 0, offset <= count, buffer.count <= count - offset else {
      throw ParseError(
        "bytes", at: Swift.max(0, offset), .truncated,
        "expected \(buffer.count) bytes, found \(remaining(from: offset))")
    }
    withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + buffer.count])) }
  }
}

/// A fixed buffer through which payloads are streamed.
package final class TransferBuffer {
  package let bytes: UnsafeMutableRawBufferPointer

  /// A buffer of `size` bytes; no other size measured faster than 256 KiB.
  package init(size: Int = 256 << 10) { bytes = .allocate(byteCount: size, alignment: 64) }
  deinit { bytes.deallocate() }

  /// Calls `body` with `range` of `source`, one buffer at a time, in order.
  package func forEachChunk(
    of source: any RandomAccessBytes, in range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    var offset = range.lowerBound
    while offset < range.upperBound {
      let count = min(bytes.count, range.upperBound - offset)
      let chunk = UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
      try source.read(into: chunk, at: offset)
      try body(UnsafeRawBufferPointer(chunk))
      offset += count
    }
  }
}
