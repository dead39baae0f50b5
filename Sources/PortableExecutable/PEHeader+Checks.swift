// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

extension PEHeader {
  /// Every section's bytes lie behind the headers, inside the file, and belong to no other section.
  func checkSections() throws(ParseError) {
    for (index, section) in sections.enumerated() {
      let entry = sectionTableOffset + index * SectionHeader.size
      guard section.fileRange.isEmpty || section.fileRange.lowerBound >= sizeOfHeaders else {
        throw ParseError(Self.format, at: entry, .overlap, "section \(section.name) begins inside the headers")
      }
      guard section.fileRange.upperBound <= fileSize else {
        throw ParseError(
          Self.format, at: entry, .truncated,
          "section \(section.name) ends at \(section.fileRange.upperBound), the file at \(fileSize)")
      }
      guard section.memoryRange.upperBound <= Int(UInt32.max) else {
        throw ParseError(Self.format, at: entry, .range, "section \(section.name) ends beyond 4 GiB in memory")
      }
    }
    let order = sectionsInFileOrder
    for (former, latter) in zip(order, order.dropFirst())
    where former.fileRange.upperBound > latter.fileRange.lowerBound {
      throw ParseError(
        Self.format, at: latter.fileRange.lowerBound, .overlap,
        "sections \(former.name) and \(latter.name) share bytes of the file")
    }
  }

  /// The certificate table, if there is one, is aligned and the last thing in the file: EDK2 hashes wrongly otherwise.
  func checkCertificateTable() throws(ParseError) {
    guard let range = certificateTableRange, let entry = certificateDirectoryOffset else { return }
    guard range.lowerBound >= endOfSections, range.lowerBound.isMultiple(of: 8) else {
      throw ParseError(
        Self.format, at: entry, .overlap, "the certificate table begins inside a section or is not aligned to 8 bytes")
    }
    guard range.upperBound == fileSize else {
      throw ParseError(
        Self.format, at: entry, range.upperBound > fileSize ? .truncated : .trailingBytes,
        "the certificate table ends at \(range.upperBound), the file at \(fileSize)")
    }
  }

  /// Throws `overlap` if two sections, or a section and the headers, share memory: the later would be loaded over the
  /// earlier.
  package func requireSeparateMemory() throws(ParseError) {
    let order = sections.filter { $0.virtualSize > 0 }.sorted { $0.virtualAddress < $1.virtualAddress }
    for (former, latter) in zip(order, order.dropFirst())
    where former.memoryRange.upperBound > latter.memoryRange.lowerBound {
      throw ParseError(
        Self.format, at: sectionTableOffset, .overlap, "sections \(former.name) and \(latter.name) overlap in memory")
    }
    if let first = order.first, first.memoryRange.lowerBound < sizeOfHeaders {
      throw ParseError(
        Self.format, at: sectionTableOffset, .overlap, "section \(first.name) overlaps the headers in memory")
    }
  }

  /// Throws `unsupported` for a program that is not for EFI firmware, and `range` if the image's size in memory does not
  /// cover its sections: firmware answers Unsupported or Load Error however the image is signed.
  package func requireStartable() throws(ParseError) {
    guard 10...13 ~= subsystem else {
      throw ParseError(
        Self.format, at: optionalHeaderOffset + 68, .unsupported, "subsystem \(subsystem) is not an EFI program's")
    }
    guard Machine.known.contains(machine) else {
      throw ParseError(Self.format, at: signatureOffset + 4, .unsupported, "it is for \(machine)")
    }
    guard let end = sections.map(\.memoryRange.upperBound).max(), end <= Int(sizeOfImage) else {
      throw ParseError(
        Self.format, at: optionalHeaderOffset + 56, .range, "SizeOfImage, \(sizeOfImage), does not cover its sections")
    }
  }

  /// Sections that have bytes in the file, by offset.
  package var sectionsInFileOrder: [SectionHeader] {
    sections.filter { $0.rawSize > 0 }.sorted { $0.rawPointer < $1.rawPointer }
  }

  /// Where the last section's bytes end.
  package var endOfSections: Int { sections.map(\.fileRange.upperBound).reduce(sizeOfHeaders, max) }

  /// The certificate table's bytes in the file; nil if the image carries none.
  package var certificateTableRange: Range<Int>? {
    guard certificateDirectoryOffset != nil else { return nil }
    let entry = directories[DataDirectory.certificateTable]
    return entry.size == 0 ? nil : Int(entry.address)..<Int(entry.address) + Int(entry.size)
  }
}
