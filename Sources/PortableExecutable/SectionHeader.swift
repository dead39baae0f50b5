// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// One entry of the section table (PE/COFF specification, "Section Table"): 40 bytes.
package struct SectionHeader: Hashable, Sendable {
  /// Size of an entry in the table, in bytes.
  package static let size = 40

  /// Bits of `characteristics`; unknown ones are kept.
  package struct Characteristics: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    /// The corresponding constant is `IMAGE_SCN_CNT_CODE`.
    package static let code = Self(rawValue: 0x20)
    /// The corresponding constant is `IMAGE_SCN_CNT_INITIALIZED_DATA`.
    package static let initializedData = Self(rawValue: 0x40)
    /// The corresponding constant is `IMAGE_SCN_MEM_READ`.
    package static let read = Self(rawValue: 0x4000_0000)
    /// The corresponding constant is `IMAGE_SCN_MEM_WRITE`.
    package static let write = Self(rawValue: 0x8000_0000)
  }

  /// The name's eight bytes, padded with NUL.
  package var nameBytes: [UInt8]
  /// Size of the section in memory, in bytes.
  package var virtualSize: UInt32
  /// Address relative to the image base.
  package var virtualAddress: UInt32
  /// Size of the section in the file, in bytes.
  package var rawSize: UInt32
  /// Offset in the file.
  package var rawPointer: UInt32
  /// Relocation and line number fields, 12 bytes unused in images.
  package var obsolete: [UInt8]
  package var characteristics: Characteristics

  /// A section of an image.
  ///
  /// `name` has at most eight bytes of UTF-8.
  package init(
    name: String, virtualSize: UInt32, virtualAddress: UInt32, rawSize: UInt32, rawPointer: UInt32,
    characteristics: Characteristics
  ) {
    var writer = ByteWriter()
    writer.write(name, width: 8)
    nameBytes = writer.bytes
    self.virtualSize = virtualSize
    self.virtualAddress = virtualAddress
    self.rawSize = rawSize
    self.rawPointer = rawPointer
    self.obsolete = [UInt8](repeating: 0, count: 12)
    self.characteristics = characteristics
  }

  package init(parsing reader: inout ByteReader) throws(ParseError) {
    nameBytes = Array(try reader.read(count: 8))
    virtualSize = try reader.read()
    virtualAddress = try reader.read()
    rawSize = try reader.read()
    rawPointer = try reader.read()
    obsolete = Array(try reader.read(count: 12))
    characteristics = Characteristics(rawValue: try reader.read())
  }

  package func serialize(into writer: inout ByteWriter) {
    writer.write(nameBytes)
    writer.write(virtualSize)
    writer.write(virtualAddress)
    writer.write(rawSize)
    writer.write(rawPointer)
    writer.write(obsolete)
    writer.write(characteristics.rawValue)
  }

  /// The name up to its first NUL; bytes that are not UTF-8 are shown as replacement characters.
  package var name: String { String(decoding: nameBytes.prefix { $0 != 0 }, as: UTF8.self) }
  /// The section's bytes in the file; empty if it has none.
  package var fileRange: Range<Int> { rawSize == 0 ? 0..<0 : Int(rawPointer)..<Int(rawPointer) + Int(rawSize) }
  /// The section's bytes in the file without the padding to the file alignment.
  package var contentRange: Range<Int> {
    let range = fileRange
    return range.lowerBound..<range.lowerBound + min(range.count, Int(virtualSize))
  }
  /// The section's addresses, relative to the image base.
  package var memoryRange: Range<Int> { Int(virtualAddress)..<Int(virtualAddress) + Int(virtualSize) }
}
