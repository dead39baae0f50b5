// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
package import PortableExecutable

/// The Authenticode digest of an image.
package enum ImageDigest {
  /// Who computes the digest.
  ///
  /// It matters only for an unsigned image: signing pads the file to 8 bytes before it adds a certificate table, and
  /// every form of the digest then covers these zeros.
  package enum Form: Hashable, Sendable {
    /// EDK2 (DxeImageVerificationLib, `HashPeImage`) digests the file as it is. db and dbx have this digest.
    case firmware
    /// Signers digest the file as it will be once it is padded to 8 bytes.
    case signing
    /// Shim since 16.1 (`generate_hash`) pads to 8 bytes, but only if there are bytes after the last section.
    case shim
    /// Shim up to 16.0 leaves out everything after the last section of an unsigned image.
    case shimBefore16_1
  }

  /// Computes the digest of the image with headers `header`, reading it through `buffer`.
  package static func compute(
    of source: any RandomAccessBytes, header: PEHeader, algorithm: DigestAlgorithm = .sha256, as form: Form = .firmware,
    buffer: TransferBuffer = TransferBuffer()
  ) throws -> [UInt8] {
    try compute(of: source, header: header, algorithms: [algorithm], as: form, buffer: buffer)[algorithm] ?? []
  }

  /// Computes the digests of the image with several algorithms while reading it once.
  package static func compute(
    of source: any RandomAccessBytes, header: PEHeader, algorithms: Set<DigestAlgorithm>, as form: Form = .firmware,
    buffer: TransferBuffer = TransferBuffer()
  ) throws -> [DigestAlgorithm: [UInt8]] {
    let digests = try algorithms.map { ($0, try RunningDigest($0)) }
    let (ranges, padding) = header.digested(as: form)
    for range in ranges {
      try buffer.forEachChunk(of: source, in: range) { chunk in
        for (_, digest) in digests { try digest.update(chunk) }
      }
    }
    var result: [DigestAlgorithm: [UInt8]] = [:]
    for (algorithm, digest) in digests {
      try digest.update([UInt8](repeating: 0, count: padding))
      result[algorithm] = try digest.finish()
    }
    return result
  }
}

extension PEHeader {
  /// The parts of the file that a digest covers, and the number of zero bytes after them.
  fileprivate func digested(as form: ImageDigest.Form) -> (ranges: [Range<Int>], padding: Int) {
    guard certificateTableRange == nil else { return (digestRanges, 0) }
    switch form {
    case .firmware: return (digestRanges, 0)
    case .signing: return (digestRanges, signaturePadding)
    case .shim: return (digestRanges, digestRangeAfterSections.isEmpty ? 0 : signaturePadding)
    case .shimBefore16_1: return (digestRangesOfSections, 0)
    }
  }
}
