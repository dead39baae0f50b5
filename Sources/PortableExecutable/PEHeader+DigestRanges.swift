// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

extension PEHeader {
  /// The bytes that the Authenticode digest covers, in order ("Windows Authenticode Portable Executable Signature
  /// Format", "Calculating the PE Image Hash", as EDK2's DxeImageVerificationLib does it).
  ///
  /// Headers without the checksum and the certificate table's directory entry, the sections by file offset, then what
  /// follows the *sum* of the bytes hashed so far, up to the certificate table. For an image without gaps that is
  /// simply the rest of the file.
  package var digestRanges: [Range<Int>] {
    var ranges: [Range<Int>] = [0..<checkSumOffset]
    if let entry = certificateDirectoryOffset {
      ranges += [checkSumOffset + 4..<entry, entry + 8..<sizeOfHeaders]
    } else {
      ranges += [checkSumOffset + 4..<sizeOfHeaders]
    }
    ranges += sectionsInFileOrder.map(\.fileRange)
    let sum = sizeOfHeaders + sectionsInFileOrder.reduce(0) { $0 + $1.fileRange.count }
    let end = fileSize - (certificateTableRange?.count ?? 0)
    if end > sum { ranges.append(sum..<end) }
    return ranges
  }

  /// Zero bytes that belong in front of a certificate table that is added, and are digested with the image.
  package var signaturePadding: Int { certificateTableRange == nil ? (8 - fileSize % 8) % 8 : 0 }

  /// Whether headers and sections follow each other without gaps and in the table's order; signers disagree about the
  /// digest of any other image, and EDK2 refuses what some of them make of it.
  package var isContiguous: Bool {
    var end = sizeOfHeaders
    for section in sections where section.rawSize > 0 {
      guard section.fileRange.lowerBound == end else { return false }
      end = section.fileRange.upperBound
    }
    return true
  }
}
