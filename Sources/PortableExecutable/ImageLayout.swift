// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// A section to add to an image.
package struct AddedSection: Hashable, Sendable {
  /// One to eight bytes.
  package var name: String
  /// Exact size of the content in bytes.
  package var size: Int
  package var characteristics: SectionHeader.Characteristics
  /// Whether the image may already have sections with that name.
  package var mayRepeat: Bool

  package init(
    name: String, size: Int, characteristics: SectionHeader.Characteristics = [.read, .initializedData],
    mayRepeat: Bool = false
  ) {
    self.name = name
    self.size = size
    self.characteristics = characteristics
    self.mayRepeat = mayRepeat
  }
}

/// The layout of a new image: the headers, and the source of each section's bytes.
///
/// Everything is computed from the base image: alignments, room for headers, the addresses after its last section. In
/// the file, sections follow `SizeOfHeaders` without gaps, as EDK2's digest requires.
package struct ImageLayout: Hashable, Sendable {
  package enum Source: Hashable, Sendable {
    /// Bytes of the base image.
    case base(Range<Int>)
    /// New content for a section of the base image, by name.
    case replacement(String)
    /// The added section with that index.
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

  /// Lays out `base` with `added` after its sections.
  ///
  /// `replacements` has the new sizes of sections of the base image whose content changes; `clearsNX` removes the
  /// NX_COMPAT flag. Throws `LayoutError`.
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

/// Assigns every section of a new image its place, in order.
struct SectionPlanner {
  let base: PEHeader
  let sectionCount: Int
  private(set) var sizeOfHeaders = 0
  private(set) var sections: [SectionHeader] = []
  private(set) var pieces: [(section: SectionHeader, source: ImageLayout.Source)] = []
  private(set) var fileEnd = 0
  private var memoryEnd = 0
  private var addedData = 0

  init(base: PEHeader, sectionCount: Int) {
    self.base = base
    self.sectionCount = sectionCount
  }

  /// Reserves room for the section table; the headers grow into the address space before the first section.
  mutating func reserveHeaders() throws(LayoutError) {
    let needed = base.sectionTableOffset + sectionCount * SectionHeader.size
    sizeOfHeaders = try align(max(base.sizeOfHeaders, needed), base.fileAlignment)
    let room = min(base.sections.map(\.memoryRange.lowerBound).min() ?? 0, PEHeader.sizeLimit)
    guard sizeOfHeaders <= room else {
      throw LayoutError(
        .headerRoom, "\(sectionCount) sections need \(sizeOfHeaders) bytes of headers; only \(room) are available")
    }
    fileEnd = sizeOfHeaders
  }

  /// Adds a section of the base image, with its own bytes or new content of `newSize` bytes.
  mutating func keep(_ section: SectionHeader, newSize: Int?) throws(LayoutError) {
    var moved = section
    if let newSize {
      try requireRoom(for: section, size: newSize)
      moved.virtualSize = try word(newSize)
    }
    memoryEnd = max(memoryEnd, moved.memoryRange.upperBound)
    try place(&moved, size: newSize ?? section.fileRange.count) {
      newSize == nil ? .base(section.fileRange) : .replacement(section.name)
    }
  }

  /// Adds a new section after all others.
  mutating func add(_ section: AddedSection, index: Int) throws(LayoutError) {
    guard 1...8 ~= section.name.utf8.count else {
      throw LayoutError(.name, "the section name '\(section.name)' is not one to eight bytes long")
    }
    guard !section.name.utf8.contains(0) else {
      throw LayoutError(.name, "the section name '\(section.name)' contains a NUL byte")
    }
    guard section.mayRepeat || !sections.contains(where: { $0.name == section.name }) else {
      throw LayoutError(.name, "section \(section.name) already exists")
    }
    var header = SectionHeader(
      name: section.name, virtualSize: try word(section.size),
      virtualAddress: try word(try align(memoryEnd, base.sectionAlignment)), rawSize: 0, rawPointer: 0,
      characteristics: section.characteristics)
    memoryEnd = header.memoryRange.upperBound
    try place(&header, size: section.size) { .added(index) }
    addedData += Int(header.rawSize)
  }

  /// The finished headers.
  func header(clearsNX: Bool) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(base.bytes[..<base.sectionTableOffset])
    for section in sections { section.serialize(into: &writer) }
    writer.pad(to: sizeOfHeaders)
    writer.patch(UInt16(sectionCount), at: base.signatureOffset + 6)
    writer.patch(UInt32(0), at: base.signatureOffset + 12)  // PointerToSymbolTable
    writer.patch(UInt32(0), at: base.signatureOffset + 16)  // NumberOfSymbols
    let optional = base.optionalHeaderOffset
    writer.patch(base.sizeOfInitializedData &+ UInt32(truncatingIfNeeded: addedData), at: optional + 8)
    // `place` has checked that `memoryEnd` fits in 32 bits.
    let imageSize = memoryEnd.roundedUp(toMultipleOf: base.sectionAlignment) ?? memoryEnd
    writer.patch(UInt32(truncatingIfNeeded: imageSize), at: optional + 56)
    writer.patch(UInt32(sizeOfHeaders), at: optional + 60)
    writer.patch(UInt32(0), at: base.checkSumOffset)
    if clearsNX { writer.patch(base.dllCharacteristics & ~PEHeader.nxCompatible, at: optional + 70) }
    return writer.bytes
  }

  private mutating func place(
    _ section: inout SectionHeader, size: Int, _ source: () -> ImageLayout.Source
  ) throws(LayoutError) {
    let rawSize = try align(size, base.fileAlignment)
    section.rawSize = try word(rawSize)
    section.rawPointer = rawSize == 0 ? 0 : try word(fileEnd)
    fileEnd += rawSize
    _ = try word(fileEnd)
    _ = try word(try align(memoryEnd, base.sectionAlignment))
    sections.append(section)
    if rawSize > 0 { pieces.append((section, source())) }
  }

  private func requireRoom(for section: SectionHeader, size: Int) throws(LayoutError) {
    let next = base.sections.map(\.memoryRange.lowerBound).filter { $0 > section.memoryRange.lowerBound }.min()
    guard let next, size > next - section.memoryRange.lowerBound else { return }
    throw LayoutError(
      .sectionRoom, "section \(section.name) has room for \(next - section.memoryRange.lowerBound) bytes, not \(size)")
  }

  private func align(_ value: Int, _ alignment: Int) throws(LayoutError) -> Int {
    guard let result = value.roundedUp(toMultipleOf: alignment) else { throw Self.tooLarge }
    return result
  }

  private func word(_ value: Int) throws(LayoutError) -> UInt32 {
    guard let result = UInt32(exactly: value) else { throw Self.tooLarge }
    return result
  }

  private static let tooLarge = LayoutError(.size, "the image would be larger than 4 GiB")
}

extension PEHeader {
  /// Throws `unsupported` for an image with parts that a new layout would lose or invalidate.
  func requireExtensible() throws(LayoutError) {
    guard certificateTableRange == nil else {
      throw LayoutError(.unsupported, "the image is already signed; use an unsigned one")
    }
    let tableEnd = sectionTableOffset + sections.count * SectionHeader.size
    guard Self.isPadding(bytes[tableEnd...], for: machine) else {
      throw LayoutError(.unsupported, "the image has unknown data after its section table")
    }
    if directories.count > DataDirectory.debug, directories[DataDirectory.debug].size != 0 {
      throw LayoutError(.unsupported, "the image has a debug directory; its file offsets would become wrong")
    }
    guard sections.allSatisfy({ !$0.name.hasPrefix("/") }) else {
      throw LayoutError(.unsupported, "the image stores section names in its string table")
    }
    let symbols = Int(symbolTablePointer)
    let hasOnlySymbolsBehind = symbolTablePointer != 0 && symbols >= endOfSections && symbols <= fileSize
    guard fileSize == endOfSections || hasOnlySymbolsBehind else {
      throw LayoutError(.unsupported, "the image has unknown data after its last section")
    }
  }

  /// Whether these are only zeros, or only no-operations where an assembler for AArch64 has aligned the first section.
  private static func isPadding(_ rest: ArraySlice<UInt8>, for machine: Machine) -> Bool {
    if rest.allSatisfy({ $0 == 0 }) { return true }
    let noOperation: [UInt8] = [0x1f, 0x20, 0x03, 0xd5]
    return machine == .arm64
      && rest.indices.allSatisfy { rest[$0] == noOperation[($0 - rest.startIndex) % noOperation.count] }
  }
}

/// Why sections cannot be added to an image.
package typealias LayoutError = RuleError<LayoutRule>

package enum LayoutRule: ErrorRule {
  /// The section table cannot grow far enough before the first section in memory.
  case headerRoom
  /// A section's new content does not fit before the next section in memory.
  case sectionRoom
  /// A name is empty, longer than eight bytes or taken.
  case name
  /// The image would be larger than the format allows.
  case size
  /// The image has parts that would become invalid.
  case unsupported
}
