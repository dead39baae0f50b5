// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// Section names of more than eight bytes: the header then contains a slash and an offset into the string table, which
/// follows the symbol table (PE/COFF specification, "Section Table"). GNU's linker uses them in EFI images, too.
extension PEHeader {
  /// The first section with that name.
  ///
  /// Throws only if `source` cannot be read.
  package func section(named name: String, in source: any RandomAccessBytes) throws -> SectionHeader? {
    let expected = Array(name.utf8) + [0]
    guard expected.count > 9 else { return section(named: name) }
    let table = Int(symbolTablePointer) + 18 * Int(symbolCount)
    return try sections.first { section in
      guard section.nameBytes.first == UInt8(ascii: "/"), let offset = Int(section.name.dropFirst()), offset >= 4,
        offset <= source.count, table <= source.count - offset - expected.count
      else { return false }
      return try source.readBytes(at: table + offset, count: expected.count, format: Self.format) == expected
    }
  }
}
