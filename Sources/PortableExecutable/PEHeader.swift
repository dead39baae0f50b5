// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Messages

/// The headers of a PE32+ image (PE/COFF specification): DOS stub, COFF header, optional header, section table.
///
/// Accepts what EDK2's loader accepts and refuses what would make firmware, shim or a signer read outside the file or
/// hash other bytes than it loads: truncation, sections that share bytes, a certificate table that is not last.
package struct PEHeader: Hashable, Sendable {
  package static let format = "PE/COFF"
  /// Longest header that is read, in bytes; systemd's largest stub has 20480.
  package static let sizeLimit = 1 << 16

  /// The file's first `sizeOfHeaders` bytes as they came.
  package let bytes: [UInt8]
  /// Size of the file in bytes.
  package let fileSize: Int
  /// Offset of the `PE\0\0` signature.
  package let signatureOffset: Int
  package let machine: Machine
  /// Seconds since 1970, or a hash of the build.
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

  /// The first section of that name, which is the one a stub takes.
  package func section(named name: String) -> SectionHeader? { sections.first { $0.name == name } }

  /// `IMAGE_DLLCHARACTERISTICS_NX_COMPAT`: the image asks for no memory that is both writable and executable.
  package static let nxCompatible: UInt16 = 0x0100
  package var isNXCompatible: Bool { dllCharacteristics & Self.nxCompatible != 0 }

  // Offsets of fields, relative to the signature: 4 bytes of signature, 20 of COFF header, then the optional header.
  package var optionalHeaderOffset: Int { signatureOffset + 24 }
  package var checkSumOffset: Int { optionalHeaderOffset + 64 }
  package var directoriesOffset: Int { optionalHeaderOffset + 112 }
  package var sectionTableOffset: Int { optionalHeaderOffset + sizeOfOptionalHeader }
  let sizeOfOptionalHeader: Int

  /// Where the certificate table's directory entry stands; nil if the image has too few directories to have one.
  package var certificateDirectoryOffset: Int? {
    directories.count > DataDirectory.certificateTable ? directoriesOffset + 8 * DataDirectory.certificateTable : nil
  }

  /// Reads and checks the headers of `source`, of which only the first bytes are read.
  ///
  /// Throws `ParseError`, or what reading throws.
  package init(parsing source: any RandomAccessBytes) throws {
    guard source.count <= Int(UInt32.max) else {
      throw ParseError(
        Self.format, at: 0, .range, "the file has \(source.count) bytes, the format describes less than 4 GiB")
    }
    let prefix = try source.readBytes(at: 0, count: min(source.count, Self.sizeLimit), format: Self.format)
    try self.init(prefix: prefix, fileSize: source.count)
  }

  private init(prefix: [UInt8], fileSize: Int) throws(ParseError) {
    var reader = ByteReader(prefix, format: Self.format)
    guard try reader.read(UInt16.self) == 0x5a4d else {
      throw ParseError(Self.format, at: 0, .magic, "it does not begin with MZ")
    }
    try reader.seek(to: 0x3c)
    signatureOffset = try reader.readCount(UInt32.self)
    guard signatureOffset.isMultiple(of: 2) else {
      throw ParseError(Self.format, at: 0x3c, .range, "the PE signature has the odd offset \(signatureOffset)")
    }
    try reader.seek(to: signatureOffset)
    guard try reader.read(UInt32.self) == 0x4550 else {
      throw ParseError(Self.format, at: signatureOffset, .magic, "there is no PE signature")
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
      throw ParseError(Self.format, at: optionalStart, .unsupported, "it is not a PE32+ image")
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
      throw ParseError(Self.format, at: optionalStart + 108, .range, "\(directoryCount) data directories, not 0 to 16")
    }
    var directories: [DataDirectory] = []
    for _ in 0..<directoryCount {
      directories.append(DataDirectory(address: try optional.read(), size: try optional.read()))
    }
    self.directories = directories

    guard sectionCount > 0 else {
      throw ParseError(Self.format, at: signatureOffset + 6, .range, "it has no sections")
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
