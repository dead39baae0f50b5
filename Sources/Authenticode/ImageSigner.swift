// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
internal import Messages
package import PortableExecutable

/// Writes a signed copy of an image in one pass.
package struct ImageSigner: Sendable {
  /// Maximum size of a signature in bytes, for estimating space.
  package static let signatureRoom = 16 << 10

  /// What to do with an image's existing signatures.
  package enum ExistingSignatures: Sendable {
    /// Keep them and add the new one at the end; the certificate table must be undamaged.
    case append
    /// Remove them: everything from the start of the certificate table to the end of the file, whatever it is.
    case replace
  }

  package var existing: ExistingSignatures
  private let makeSignature: @Sendable (_ digest: [UInt8]) throws -> CertificateTable.Entry

  /// `makeSignature` receives the image's SHA-256 Authenticode digest.
  package init(
    existing: ExistingSignatures, makeSignature: @escaping @Sendable ([UInt8]) throws -> CertificateTable.Entry
  ) {
    self.existing = existing
    self.makeSignature = makeSignature
  }

  /// Signs with `identity`.
  ///
  /// `signingTime` is in seconds since 1970; nil omits the time, so that the same inputs give the same bytes.
  package init(identity: SigningIdentity, existing: ExistingSignatures, signingTime: Int64? = nil) {
    self.init(existing: existing) {
      try AuthenticodeSignature.sign(digest: $0, by: identity, signingTime: signingTime)
    }
  }

  /// Writes a signed copy of `source` to `sink`.
  ///
  /// Throws `AuthenticodeError` for an image that firmware rejects regardless of signatures, and for a damaged
  /// certificate table that a signature would have to be added to.
  @discardableResult
  package func sign(_ source: any RandomAccessBytes, to sink: any ByteSink) throws -> WrittenImage {
    let header = try PEHeader(parsing: source, discardingCertificates: existing == .replace)
    let kept = try existing == .append ? CertificateTable(of: header, in: source) : CertificateTable()
    if let defect = kept.defect {
      throw AuthenticodeError(.table, "no signature can be added, because the certificate table is damaged: \(defect)")
    }
    let end = header.certificateTableRange?.lowerBound ?? header.fileSize
    guard existing == .replace || header.certificateTableRange == nil || end.isMultiple(of: 8) else {
      throw AuthenticodeError(
        .table, "no signature can be added, because the certificate table is not aligned to 8 bytes")
    }
    guard let entry = header.certificateDirectoryOffset else {
      throw AuthenticodeError(.noDirectory, "the image has no data directory for a certificate table")
    }
    guard header.isContiguous else {
      throw AuthenticodeError(
        .layout, "the image's sections have gaps or are out of order: EDK2 would compute another digest")
    }
    try header.requireStartable()
    try header.requireSeparateMemory()
    let writer = try SignedImageWriter(
      sink: sink, checkSumOffset: header.checkSumOffset, certificateDirectoryOffset: entry)
    var head = header.bytes
    head.replaceSubrange(header.checkSumOffset..<header.checkSumOffset + 4, with: [0, 0, 0, 0])
    head.replaceSubrange(entry..<entry + 8, with: [UInt8](repeating: 0, count: 8))
    try writer.writeHeader(head)
    try writer.write(contentsOf: source, in: header.sizeOfHeaders..<end)
    return try writer.finish(keeping: kept.entries, makeSignature)
  }
}
