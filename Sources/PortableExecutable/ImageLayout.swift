// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// A section that is to be added to an image.
package struct AddedSection: Hashable, Sendable {
  /// One to eight bytes.
  package var name: String
  /// Exact size of its content in bytes.
  package var size: Int
  package var characteristics: SectionHeader.Characteristics

  package init(name: String, size: Int, characteristics: SectionHeader.Characteristics = [.read, .initializedData]) {
    self.name = name
    self.size = size
    self.characteristics = characteristics
  }
}

/// An image laid out anew: the headers, and where each section's bytes come from.
///
/// Everything is computed from the base image: alignments, room for headers, the addresses after its last section.
/// In the file sections follow each other without gaps from `SizeOfHeaders` on, as EDK2's digest demands.
package struct ImageLayout: Hashable, Sendable {
  package enum Source: Hashable, Sendable {
    /// Bytes of the base image.
    case base(Range<Int>)
    /// New content for a section the base image has, by name.
    case replacement(String)
    /// The added section of that index.
    case added(Int)
  }

  /// The headers, `SizeOfHeaders` bytes, with CheckSum and certificate directory zero.
  package let header: [UInt8]
  /// Sections with bytes in the file, in file order.
  package let pieces: [(section: SectionHeader, source: Source)]
  /// Size of the image without certificates, in bytes.
  package let fileSize: Int
  package let checkSumOffset: Int
  package let certificateDirectoryOffset: Int

  package static func == (left: Self, right: Self) -> Bool { left.header == right.header }
  package func hash(into hasher: inout Hasher) { hasher.combine(header) }

  /// Lays out `base` with `added` behind its sections.
  ///
  /// `replacements` gives the new sizes of sections of the base image whose content changes; `clearsNX` takes the
  /// NX_COMPAT flag away. Throws `LayoutError`.
  package init(
    base: PEHeader, replacements: [String: Int] = [:], adding added: [AddedSection], clearingNX clearsNX: Bool = false
  ) throws(LayoutError) {
    guard let certificateDirectoryOffset = base.certificateDirectoryOffset else {
      throw LayoutError(.unsupported, "the image has no data directory for a certificate table")
    }
    try base.requireExtensible()
    var planner = SectionPlanner(base: base, sectionCount: base.sections.count + added.count)
    try planner.reserveHeaders()
    for section in base.sections { try planner.keep(section, newSize: replacements[section.name]) }
    for (index, section) in added.enumerated() { try planner.add(section, index: index) }

    header = planner.header(clearsNX: clearsNX)
    pieces = planner.pieces
    fileSize = planner.fileEnd
    checkSumOffset = base.checkSumOffset
    self.certificateDirectoryOffset = certificateDirectoryOffset
  }
}
