// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Messages

/// A part of a file as if it were one: a member of a package.
struct FileSlice: RandomAccessBytes {
  private let source: any RandomAccessBytes
  private let start: Int
  let count: Int

  /// `range` lies within `source`.
  init(_ source: any RandomAccessBytes, _ range: Range<Int>) {
    self.source = source
    start = range.lowerBound
    count = range.count
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    guard offset >= 0, offset <= count, buffer.count <= count - offset else {
      throw ParseError(
        "deb", at: start + max(0, offset), .truncated, "\(buffer.count) bytes wanted of a member of \(count)")
    }
    try source.read(into: buffer, at: start + offset)
  }

  func requireUnchanged() throws { try source.requireUnchanged() }
}
