// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Messages

extension ByteReader {
  /// Reads an integer of seven bits per byte, lowest first; only the last byte has the highest bit clear (The .xz File
  /// Format 1.2.0, section 1.2).
  ///
  /// Throws `range` if it has more than nine bytes or is not in its shortest form.
  mutating func readVariableLength() throws(ParseError) -> Int {
    let start = offset
    var value = 0
    for position in 0..<9 {
      let byte = try read(UInt8.self)
      value |= Int(byte & 0x7f) << (7 * position)
      guard byte & 0x80 == 0 else { continue }
      guard byte != 0 || position == 0 else { break }
      return value
    }
    throw ParseError(format, at: start, .range, "the integer is not in its shortest form or has more than 63 bits")
  }
}

extension ByteWriter {
  /// Writes an integer in the form that `readVariableLength` reads.
  ///
  /// `value` must not be negative.
  mutating func writeVariableLength(_ value: Int) {
    var rest = UInt(bitPattern: value)
    while rest >= 0x80 {
      write(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    write(UInt8(truncatingIfNeeded: rest))
  }
}
