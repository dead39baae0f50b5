// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// A cursor over untrusted bytes: every read is checked.
///
/// Offsets count from the start of the outermost reader's input, also in sub-readers.
package struct ByteReader: Sendable {
  package enum ByteOrder: Sendable { case little, big }

  /// The name of the format, for errors.
  package let format: String
  private let bytes: ArraySlice<UInt8>
  private let base: Int
  private var index: Int

  /// A reader over all of `bytes`.
  package init(_ bytes: [UInt8], format: String) { self.init(bytes[...], format: format, startingAt: 0) }

  /// A reader over a slice whose first byte has absolute offset `start`.
  package init(_ bytes: ArraySlice<UInt8>, format: String, startingAt start: Int) {
    self.format = format
    self.bytes = bytes
    self.base = start - bytes.startIndex
    self.index = bytes.startIndex
  }

  /// Absolute offset of the next byte.
  package var offset: Int { base + index }
  /// Number of bytes not yet read.
  package var remaining: Int { bytes.endIndex - index }
  package var isAtEnd: Bool { remaining == 0 }

  /// Reads `count` bytes.
  ///
  /// Throws `truncated` if fewer are left.
  package mutating func read(count: Int) throws(ParseError) -> ArraySlice<UInt8> {
    guard count >= 0, count <= remaining else { throw shortage(of: count) }
    defer { index += count }
    return bytes[index..<index + count]
  }

  /// Reads one integer of `T`'s width.
  package mutating func read<T: FixedWidthInteger>(
    _ type: T.Type = T.self, _ order: ByteOrder = .little
  ) throws(ParseError) -> T {
    let width = T.bitWidth / 8
    guard width <= remaining else { throw shortage(of: width) }
    defer { index += width }
    return bytes.loadInteger(at: index, order)
  }

  /// Reads an unsigned 16, 32 or 64 bit count or offset as an `Int`.
  ///
  /// Throws `range` if it does not fit.
  package mutating func readCount<T: FixedWidthInteger & UnsignedInteger>(
    _ type: T.Type, _ order: ByteOrder = .little
  ) throws(ParseError) -> Int {
    let start = offset
    let value = try read(type, order)
    guard let count = Int(exactly: value) else {
      throw ParseError(format, at: start, .range, "the value \(value) is too large")
    }
    return count
  }

  /// Skips `count` bytes.
  package mutating func skip(_ count: Int) throws(ParseError) { _ = try read(count: count) }

  /// A reader over the next `count` bytes, which this reader skips.
  package mutating func subReader(count: Int) throws(ParseError) -> ByteReader {
    let start = offset
    return ByteReader(try read(count: count), format: format, startingAt: start)
  }

  /// Reads the rest of the input.
  package mutating func readToEnd() -> ArraySlice<UInt8> {
    defer { index = bytes.endIndex }
    return bytes[index...]
  }

  /// Moves to an absolute offset within the input.
  ///
  /// Throws `range` for an offset outside the input.
  package mutating func seek(to absolute: Int) throws(ParseError) {
    let (target, overflow) = absolute.subtractingReportingOverflow(base)
    guard !overflow, target >= bytes.startIndex, target <= bytes.endIndex else {
      throw ParseError(format, at: offset, .range, "offset \(absolute) is outside the input")
    }
    index = target
  }

  /// Throws `trailingBytes` if there are unread bytes.
  package func requireEnd() throws(ParseError) {
    guard isAtEnd else {
      throw ParseError(format, at: offset, .trailingBytes, "\(remaining) unexpected bytes after the structure")
    }
  }

  private func shortage(of count: Int) -> ParseError {
    ParseError(format, at: offset, .truncated, "expected \(count) bytes, found \(remaining)")
  }
}

extension ArraySlice<UInt8> {
  /// The integer whose bytes start at `index`.
  ///
  /// The caller has checked that they exist.
  fileprivate func loadInteger<T: FixedWidthInteger>(at index: Int, _ order: ByteReader.ByteOrder) -> T {
    withUnsafeBytes { raw in
      let value = raw.loadUnaligned(fromByteOffset: index - startIndex, as: T.self)
      return order == .little ? T(littleEndian: value) : T(bigEndian: value)
    }
  }
}
