// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// The headers of a PE32+ image (PE/COFF specification): DOS stub, COFF header, optional header, section table.
///
/// Accepts the images that EDK2's loader accepts. Rejects those that make firmware, shim or a signer read outside the
/// file or hash other bytes than they load: truncated files, overlapping sections, a certificate table that is not
/// last.
package struct PEHeader: Hashable, Sendable {
  package static let format = "PE/COFF"
  /// Maximum header size in bytes; systemd's largest stub has 20480.
  package static let sizeLimit = 1 << 16

  /// The file's first `sizeOfHeaders` bytes, unchanged.
  package let bytes: [UInt8]
  /// Size of the file in bytes.
  package let fileSize: Int
  /// Offset of the `PE\0\0` signature.
  package let signatureOffset: Int
  package let machine: Machine
  /// Seconds since 1970, or a build hash.
  package let timeDateStamp: UInt32
  package let symbolTablePointer: UInt32
  package let symbolCount: UInt32
  package let characteristics: UInt16
  package let imageBase: UInt64
  package let sectionAlignment: Int
  package let fileAlignment: Int
  package let sizeOfInitializedData: UInt32
  package let sizeOfImage: UInt32
  package let checkSum: UInt32
  package let subsystem: UInt16
  package let dllCharacteristics: UInt16
  package let directories: [DataDirectory]
  package let sections: [SectionHeader]

  package var sizeOfHeaders: Int { bytes.count }

  /// The first section of that name, which is the one a stub uses.
  package func section(named name: String) -> SectionHeader? { sections.first { $0.name == name } }

  /// `IMAGE_DLLCHARACTERISTICS_NX_COMPAT`: the image needs no memory that is both writable and executable.
  package static let nxCompatible: UInt16 = 0x0100
  package var isNXCompatible: Bool { dllCharacteristics & Self.nxCompatible != 0 }

  // Offsets of fields, relative to the signature: 4 bytes of signature, 20 of COFF header, then the optional header.
  package var optionalHeaderOffset: Int { signatureOffset + 24 }
  package var checkSumOffset: Int { optionalHeaderOffset + 64 }
  package var directoriesOffset: Int { optionalHeaderOffset + 112 }
  package var sectionTableOffset: Int { optionalHeaderOffset + sizeOfOptionalHeader }
  let sizeOfOptionalHeader: Int

  /// Offset of the certificate table's directory entry; nil if the image has too few directories.
  package var certificateDirectoryOffset: Int? {
    directories.count > DataDirectory.certificateTable ? directoriesOffset + 8 * DataDirectory.certificateTable : nil
  }

  /// Whether everything from the start of the certificate table to the end of the file counts as that table.
  private let discardsCertificates: Bool

  /// Reads and checks the headers of `source`; reads only its first bytes.
  ///
  /// `discardingCertificates` is for replacing the certificate table: it may then have any size, and be truncated.
  /// Throws `ParseError`, or errors from reading.
  package init(parsing source: any RandomAccessBytes, discardingCertificates: Bool = false) throws {
    guard source.count <= Int(UInt32.max) else {
      throw ParseError(
        Self.format, at: 0, .range, "the file has \(source.count) bytes; the format allows less than 4 GiB")
    }
    let prefix = try source.readBytes(at: 0, count: min(source.count, Self.sizeLimit), format: Self.format)
    try self.init(prefix: prefix, fileSize: source.count, discardingCertificates: discardingCertificates)
  }

  private init(prefix: [UInt8], fileSize: Int, discardingCertificates: Bool) throws(ParseError) {
    discardsCertificates = discardingCertificates
    var reader = ByteReader(prefix, format: Self.format)
    guard try reader.read(UInt16.self) == 0x5a4d else {
      throw ParseError(Self.format, at: 0, .magic, "does not start with MZ")
    }
    try reader.seek(to: 0x3c)
    signatureOffset = try reader.readCount(UInt32.self)
    guard signatureOffset.isMultiple(of: 2) else {
      throw ParseError(Self.format, at: 0x3c, .range, "the PE signature is at the odd offset \(signatureOffset)")
    }
    try reader.seek(to: signatureOffset)
    guard try reader.read(UInt32.self) == 0x4550 else {
      throw ParseError(Self.format, at: signatureOffset, .magic, "the PE signature is missing")
    }
    machine = Machine(rawValue: try reader.read())
    let sectionCount = Int(try reader.read(UInt16.self))
    timeDateStamp = try reader.read()
    symbolTablePointer = try reader.read()
    symbolCount = try reader.read()
    sizeOfOptionalHeader = Int(try reader.read(UInt16.self))
    characteristics = try reader.read()

    var optional = try reader.subReader(count: sizeOfOptionalHeader)
    let optionalStart = optional.offset
    guard try optional.read(UInt16.self) == 0x20b else {
      throw ParseError(Self.format, at: optionalStart, .unsupported, "not a PE32+ image")
    }
    try optional.seek(to: optionalStart + 8)
    sizeOfInitializedData = try optional.read()
    try optional.seek(to: optionalStart + 24)
    imageBase = try optional.read()
    sectionAlignment = try Self.readAlignment(&optional, "SectionAlignment")
    fileAlignment = try Self.readAlignment(&optional, "FileAlignment")
    try optional.seek(to: optionalStart + 56)
    sizeOfImage = try optional.read()
    let headerSize = try optional.readCount(UInt32.self)
    checkSum = try optional.read()
    subsystem = try optional.read()
    dllCharacteristics = try optional.read()
    try optional.seek(to: optionalStart + 108)
    let directoryCount = try optional.readCount(UInt32.self)
    guard directoryCount <= 16 else {
      throw ParseError(
        Self.format, at: optionalStart + 108, .range, "\(directoryCount) data directories; at most 16 are allowed")
    }
    var directories: [DataDirectory] = []
    for _ in 0..<directoryCount {
      directories.append(DataDirectory(address: try optional.read(), size: try optional.read()))
    }
    self.directories = directories

    guard sectionCount > 0 else {
      throw ParseError(Self.format, at: signatureOffset + 6, .range, "the image has no sections")
    }
    var sections: [SectionHeader] = []
    for _ in 0..<sectionCount { sections.append(try SectionHeader(parsing: &reader)) }
    self.sections = sections
    guard headerSize >= reader.offset, headerSize <= prefix.count else {
      throw ParseError(
        Self.format, at: optionalStart + 60, .range,
        "SizeOfHeaders is \(headerSize), the section table ends at \(reader.offset), the file at \(fileSize)")
    }
    bytes = Array(prefix[..<headerSize])
    self.fileSize = fileSize
    try checkSections()
    try checkCertificateTable()
  }

  private static func readAlignment(_ reader: inout ByteReader, _ name: String) throws(ParseError) -> Int {
    let start = reader.offset
    let value = try reader.readCount(UInt32.self)
    guard value > 0, value <= 1 << 21, value & (value - 1) == 0 else {
      throw ParseError(format, at: start, .range, "\(name) is \(value), not a power of two up to 2 MiB")
    }
    return value
  }
}

/// An entry of the optional header's data directories.
package struct DataDirectory: Hashable, Sendable {
  /// Address relative to the image base; for the certificate table, an offset in the file.
  package var address: UInt32
  /// Size in bytes.
  package var size: UInt32

  package init(address: UInt32, size: UInt32) {
    self.address = address
    self.size = size
  }

  package static let none = DataDirectory(address: 0, size: 0)
  /// Index of the certificate table, `IMAGE_DIRECTORY_ENTRY_SECURITY`.
  package static let certificateTable = 4
  /// Index of the debug directory, `IMAGE_DIRECTORY_ENTRY_DEBUG`.
  package static let debug = 6
}

extension PEHeader {
  /// Checks that every section's bytes are after the headers, inside the file, and in no other section.
  func checkSections() throws(ParseError) {
    for (index, section) in sections.enumerated() {
      let entry = sectionTableOffset + index * SectionHeader.size
      guard section.fileRange.isEmpty || section.fileRange.lowerBound >= sizeOfHeaders else {
        throw ParseError(Self.format, at: entry, .overlap, "section \(section.name) starts inside the headers")
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
        "sections \(former.name) and \(latter.name) overlap in the file")
    }
  }

  /// Checks that the certificate table, if any, is at the end of the file; otherwise EDK2's hash is wrong.
  ///
  /// Firmware accepts any alignment of the table.
  func checkCertificateTable() throws(ParseError) {
    guard let range = certificateTableRange, let entry = certificateDirectoryOffset else { return }
    guard range.lowerBound >= endOfSections else {
      throw ParseError(Self.format, at: entry, .overlap, "the certificate table starts inside a section")
    }
    guard range.upperBound == fileSize else {
      throw ParseError(
        Self.format, at: entry, range.upperBound > fileSize ? .truncated : .trailingBytes,
        "the certificate table ends at \(range.upperBound), the file at \(fileSize)")
    }
  }

  /// Throws `overlap` if two sections, or a section and the headers, overlap in memory: loading the later one would
  /// overwrite the earlier one.
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

  /// Throws `unsupported` for a program that is not for EFI firmware, and `range` if the image's size in memory does
  /// not cover its sections: the firmware returns Unsupported or Load Error, whatever the signature.
  package func requireStartable() throws(ParseError) {
    guard 10...13 ~= subsystem else {
      throw ParseError(
        Self.format, at: optionalHeaderOffset + 68, .unsupported, "subsystem \(subsystem) is not an EFI subsystem")
    }
    guard Machine.known.contains(machine) else {
      throw ParseError(Self.format, at: signatureOffset + 4, .unsupported, "the image is for \(machine)")
    }
    guard let end = sections.map(\.memoryRange.upperBound).max(), end <= Int(sizeOfImage) else {
      throw ParseError(
        Self.format, at: optionalHeaderOffset + 56, .range,
        "SizeOfImage is \(sizeOfImage), less than the sections need")
    }
  }

  /// Sections that have bytes in the file, by offset.
  package var sectionsInFileOrder: [SectionHeader] {
    sections.filter { $0.rawSize > 0 }.sorted { $0.rawPointer < $1.rawPointer }
  }

  /// The end of the last section's bytes.
  package var endOfSections: Int { sections.map(\.fileRange.upperBound).reduce(sizeOfHeaders, max) }

  /// The certificate table's bytes in the file; nil if the image has none.
  package var certificateTableRange: Range<Int>? {
    guard certificateDirectoryOffset != nil else { return nil }
    let entry = directories[DataDirectory.certificateTable]
    let start = Int(entry.address)
    guard entry.size != 0 else { return nil }
    guard discardsCertificates else { return start..<start + Int(entry.size) }
    return start < fileSize ? start..<fileSize : nil
  }
}

extension PEHeader {
  /// The bytes that the Authenticode digest covers, in order ("Windows Authenticode Portable Executable Signature
  /// Format", "Calculating the PE Image Hash", as EDK2's DxeImageVerificationLib does it).
  ///
  /// These are the headers without the checksum and the certificate table's directory entry, the sections by file
  /// offset, then the bytes from the *sum* of the bytes hashed so far up to the certificate table. For an image without
  /// gaps, the last part is simply the rest of the file.
  package var digestRanges: [Range<Int>] { digestRangesOfSections + [digestRangeAfterSections].filter { !$0.isEmpty } }

  /// The part of `digestRanges` without the bytes after the sections.
  package var digestRangesOfSections: [Range<Int>] {
    var ranges: [Range<Int>] = [0..<checkSumOffset]
    if let entry = certificateDirectoryOffset {
      ranges += [checkSumOffset + 4..<entry, entry + 8..<sizeOfHeaders]
    } else {
      ranges += [checkSumOffset + 4..<sizeOfHeaders]
    }
    return ranges + sectionsInFileOrder.map(\.fileRange)
  }

  /// The last part of `digestRanges`, which is empty if the image ends with its last section.
  package var digestRangeAfterSections: Range<Int> {
    let sum = sizeOfHeaders + sectionsInFileOrder.reduce(0) { $0 + $1.fileRange.count }
    return sum..<max(sum, fileSize - (certificateTableRange?.count ?? 0))
  }

  /// The bytes of the file that are not in `digestRanges`, in order: CheckSum, the certificate directory entry, the
  /// certificate table, and gaps between sections.
  package var rangesOutsideDigest: [Range<Int>] {
    var ranges: [Range<Int>] = []
    var end = 0
    for range in digestRanges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if range.lowerBound > end { ranges.append(end..<range.lowerBound) }
      end = max(end, range.upperBound)
    }
    if end < fileSize { ranges.append(end..<fileSize) }
    return ranges
  }

  /// Number of zero bytes needed before an added certificate table; the signed digest covers them.
  package var signaturePadding: Int { certificateTableRange == nil ? (8 - fileSize % 8) % 8 : 0 }

  /// Whether headers and sections follow each other without gaps and in the table's order; for any other image, signers
  /// disagree about the digest, and EDK2 rejects some of their signatures.
  package var isContiguous: Bool {
    var end = sizeOfHeaders
    for section in sections where section.rawSize > 0 {
      guard section.fileRange.lowerBound == end else { return false }
      end = section.fileRange.upperBound
    }
    return true
  }
}
