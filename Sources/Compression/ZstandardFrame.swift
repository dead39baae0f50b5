// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Messages

/// Finds the end of a Zstandard frame (RFC 8878 section 3.1) without unpacking it.
package enum ZstandardFrame {
  private static let format = "Zstandard"

  /// Throws `ParseError` unless `source` is exactly one frame.
  ///
  /// dpkg reads only the first frame, so only some programs would see what follows it.
  package static func requireOne(_ source: any RandomAccessBytes) throws {
    let end = try end(in: source, from: 0)
    guard end == source.count else {
      throw ParseError(format, at: end, .trailingBytes, "data after the first frame, which dpkg does not read")
    }
  }

  /// The offset after the frame that starts at byte `start`.
  ///
  /// Throws `ParseError`.
  static func end(in source: any RandomAccessBytes, from start: Int) throws -> Int {
    // Blocks can be tiny, and there can be millions.
    var window = SourceWindow(source)
    let head = Array(try window.read(at: start, count: 5, format: format))
    guard head.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) else {
      throw ParseError(format, at: start, .magic, "not a Zstandard frame")
    }
    let descriptor = Int(head[4])
    let isSingleSegment = descriptor & 0x20 != 0
    let sizeField = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]
    let dictionaryField = [0, 1, 2, 4][descriptor & 3]
    var offset = start + 5 + (isSingleSegment ? 0 : 1) + dictionaryField + sizeField
    while true {
      let value = try window.read(at: offset, count: 3, format: format).reversed().reduce(0) { $0 << 8 | Int($1) }
      let type = value >> 1 & 3
      guard type != 3 else { throw ParseError(format, at: offset, .unsupported, "a block has the reserved type") }
      // An RLE block contains only the byte to repeat.
      offset += 3 + (type == 1 ? 1 : value >> 3)
      if value & 1 != 0 { break }
    }
    let end = offset + (descriptor & 4 != 0 ? 4 : 0)
    guard end <= source.count else {
      throw ParseError(format, at: offset, .truncated, "the frame ends \(end - source.count) bytes after the input")
    }
    return end
  }
}
