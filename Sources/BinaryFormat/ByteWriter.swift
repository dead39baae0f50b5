// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Collects the bytes of a structure.
package struct ByteWriter: Sendable {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  /// Number of bytes written so far, and the offset of the next one.
  package var count: Int { bytes.count }

  package mutating func write<T: FixedWidthInteger>(_ value: T, _ order: ByteReader.ByteOrder = .little) {
    let width = T.bitWidth / 8
    for position in 0..<width {
      let shift = order == .little ? position * 8 : (width - 1 - position) * 8
      bytes.append(UInt8(truncatingIfNeeded: value >> T(shift)))
    }
  }

  package mutating func write(_ other: some Sequence<UInt8>) { bytes.append(contentsOf: other) }

  /// Writes `text` in UTF-8, filled with NUL or cut to `width` bytes.
  package mutating func write(_ text: String, width: Int) {
    let utf8 = text.utf8.prefix(width)
    bytes.append(contentsOf: utf8)
    bytes.append(contentsOf: repeatElement(0, count: width - utf8.count))
  }

  /// Writes zero bytes until the count is a multiple of `alignment`.
  package mutating func pad(toMultipleOf alignment: Int) {
    while !bytes.count.isMultiple(of: alignment) { bytes.append(0) }
  }

  /// Writes zero bytes until the count is `count`; no effect if it is already larger.
  package mutating func pad(to count: Int) {
    if bytes.count < count { bytes.append(contentsOf: repeatElement(0, count: count - bytes.count)) }
  }

  /// Overwrites the integer at `offset`, which must already have been written.
  package mutating func patch<T: FixedWidthInteger>(_ value: T, at offset: Int) {
    var patch = ByteWriter()
    patch.write(value)
    bytes.replaceSubrange(offset..<offset + patch.count, with: patch.bytes)
  }
}
