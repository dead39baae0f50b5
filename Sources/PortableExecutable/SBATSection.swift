// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// The SBAT metadata of an image, as shim finds it (`verify_buffer_sbat` of 15.8 and 16.1).
package enum SBATSection: Hashable, Sendable {
  /// No section `.sbat`, or only one that shim ignores because it has less than its virtual size in the file.
  case missing
  /// The section's bytes in the file, with the padding that shim reads, too.
  case present([UInt8])
  /// Shim rejects the image, signed or not: several sections `.sbat`, or one with relocations or too large.
  case invalid(ParseError)

  /// Maximum size in bytes; systemd's stub has 300.
  package static let sizeLimit = 1 << 16
}

extension PEHeader {
  /// All sections with exactly the name `.sbat`.
  package var sbatSections: [SectionHeader] { sections.filter { $0.nameBytes == Array(".sbat\0\0\0".utf8) } }

  /// Reads the SBAT metadata.
  ///
  /// Throws only if `source` cannot be read.
  package func sbat(in source: any RandomAccessBytes) throws -> SBATSection {
    var found: SectionHeader?
    for section in sbatSections {
      let offset = Int(section.rawPointer)
      guard found == nil else {
        return .invalid(ParseError(Self.format, at: offset, .overlap, "the image has more than one section .sbat"))
      }
      guard !section.hasRelocations else {
        return .invalid(ParseError(Self.format, at: offset, .unsupported, "section .sbat has relocations"))
      }
      guard section.rawSize > 0, section.rawSize >= section.virtualSize else { continue }
      found = section
    }
    guard let range = found?.fileRange else { return .missing }
    guard range.count <= SBATSection.sizeLimit else {
      return .invalid(
        ParseError(
          Self.format, at: range.lowerBound, .range,
          "section .sbat has \(range.count) bytes; at most \(SBATSection.sizeLimit) are supported"))
    }
    return .present(try source.readBytes(at: range.lowerBound, count: range.count, format: Self.format))
  }
}

extension SectionHeader {
  /// Whether PointerToRelocations or NumberOfRelocations is set, which only object files need.
  fileprivate var hasRelocations: Bool { obsolete[0..<4].contains { $0 != 0 } || obsolete[8..<10].contains { $0 != 0 } }
}
