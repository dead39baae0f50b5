// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Messages

/// Gives every section of a new image its place, in order.
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

  /// Finds room for the section table; the headers grow into the address space before the first section.
  mutating func reserveHeaders() throws(LayoutError) {
    let needed = base.sectionTableOffset + sectionCount * SectionHeader.size
    sizeOfHeaders = try align(max(base.sizeOfHeaders, needed), base.fileAlignment)
    let room = min(base.sections.map(\.memoryRange.lowerBound).min() ?? 0, PEHeader.sizeLimit)
    guard sizeOfHeaders <= room else {
      throw LayoutError(
        .headerRoom, "\(sectionCount) sections need \(sizeOfHeaders) bytes of headers, \(room) can be had")
    }
    fileEnd = sizeOfHeaders
  }

  /// A section of the base image, with its own bytes or new content of `newSize` bytes.
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

  /// A new section behind everything so far.
  mutating func add(_ section: AddedSection, index: Int) throws(LayoutError) {
    guard 1...8 ~= section.name.utf8.count, !section.name.utf8.contains(0) else {
      throw LayoutError(.name, "section name '\(section.name)' has not one to eight bytes")
    }
    guard !sections.contains(where: { $0.name == section.name }) else {
      throw LayoutError(.name, "there is a section \(section.name) already")
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
    // `memoryEnd` was proved to fit in 32 bits when the last section was placed.
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
