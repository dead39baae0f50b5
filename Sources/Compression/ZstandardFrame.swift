// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Messages

/// A Zstandard frame (RFC 8878 section 3.1): where it ends, without unpacking it.
package enum ZstandardFrame {
  private static let format = "Zstandard"

  /// Throws `ParseError` unless `source` is one frame and nothing else.
  ///
  /// dpkg reads the first frame only, so that what follows one is there for some programs and not for others.
  package static func requireOne(_ source: any RandomAccessBytes) throws {
    let end = try endOfFrame(source)
    guard end == source.count else {
      throw ParseError(format, at: end, .trailingBytes, "something follows the first frame, and dpkg does not read it")
    }
  }

  private static func endOfFrame(_ source: any RandomAccessBytes) throws -> Int {
    let start = try source.readBytes(at: 0, count: 5, format: format)
    guard start.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) else {
      throw ParseError(format, at: 0, .magic, "no frame begins here")
    }
    let descriptor = Int(start[4])
    let isSingleSegment = descriptor & 0x20 != 0
    let sizeField = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]
    let dictionaryField = [0, 1, 2, 4][descriptor & 3]
    var offset = 5 + (isSingleSegment ? 0 : 1) + dictionaryField + sizeField
    while true {
      let header = try source.readBytes(at: offset, count: 3, format: format)
      let value = Int(header[0]) | Int(header[1]) << 8 | Int(header[2]) << 16
      let type = value >> 1 & 3
      guard type != 3 else { throw ParseError(format, at: offset, .unsupported, "a block is of the reserved type") }
      // A block of one byte that is repeated has that byte.
      offset += 3 + (type == 1 ? 1 : value >> 3)
      if value & 1 != 0 { break }
    }
    return offset + (descriptor & 4 != 0 ? 4 : 0)
  }
}
