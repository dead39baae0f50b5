// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat

/// Writes the header before the blocks of a stream, and the index and footer after them (The .xz File Format 1.2.0,
/// sections 2.1 and 4).
package struct XZIndexWriter: Sendable {
  package let check: XZCheck
  private var records = ByteWriter()
  private var count = 0

  package init(check: XZCheck) { self.check = check }

  private var flags: [UInt8] { [0, check.rawValue] }

  /// The stream's header.
  package var header: [UInt8] {
    var writer = ByteWriter()
    writer.write(XZStream.headerMagic)
    writer.write(flags)
    writer.write(CRC32.of(flags))
    return writer.bytes
  }

  /// Records the next block.
  ///
  /// The sizes are defined as in `XZStream.Block` and `EncodedBlock`.
  package mutating func add(unpaddedSize: Int, textCount: Int) {
    records.writeVariableLength(unpaddedSize)
    records.writeVariableLength(textCount)
    count += 1
  }

  /// Records a block that is copied unchanged.
  package mutating func add(_ block: XZStream.Block) {
    add(unpaddedSize: block.unpaddedSize, textCount: block.text.count)
  }

  package mutating func add(_ block: EncodedBlock) {
    add(unpaddedSize: block.unpaddedSize, textCount: block.textCount)
  }

  /// The index and footer, which follow the last block.
  package func finish() -> [UInt8] {
    var index = ByteWriter()
    index.write(UInt8(0))
    index.writeVariableLength(count)
    index.write(records.bytes)
    index.pad(toMultipleOf: 4)
    index.write(CRC32.of(index.bytes))
    var content = ByteWriter()
    // An index has at most a million blocks, so its size fits.
    content.write(UInt32(truncatingIfNeeded: index.count / 4 - 1))
    content.write(flags)
    index.write(CRC32.of(content.bytes))
    index.write(content.bytes)
    index.write(XZStream.footerMagic)
    return index.bytes
  }
}
