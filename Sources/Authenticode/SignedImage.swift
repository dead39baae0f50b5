// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
package import Messages
package import PortableExecutable

/// An image's headers and signatures.
package struct SignedImage {
  package let header: PEHeader
  package let table: CertificateTable
  private let digests = DigestCache()

  /// Reads the headers and the certificate table of `source`.
  ///
  /// A damaged table is not an error: see `CertificateTable.defect`. Throws `ParseError` for headers that EDK2 rejects,
  /// or errors from reading.
  package init(parsing source: any RandomAccessBytes) throws {
    header = try PEHeader(parsing: source)
    table = try CertificateTable(of: header, in: source)
  }

  /// The image's digest, which is computed once for each algorithm and form.
  ///
  /// `source` must be what the image was read from.
  package func digest(
    _ algorithm: DigestAlgorithm, of source: any RandomAccessBytes, as form: ImageDigest.Form = .firmware,
    buffer: TransferBuffer = TransferBuffer()
  ) throws -> [UInt8] {
    try digests([algorithm], of: source, as: form, buffer: buffer)[algorithm] ?? []
  }

  /// The image's digests with several algorithms; reads the image at most once.
  package func digests(
    _ algorithms: Set<DigestAlgorithm>, of source: any RandomAccessBytes, as form: ImageDigest.Form = .firmware,
    buffer: TransferBuffer = TransferBuffer()
  ) throws -> [DigestAlgorithm: [UInt8]] {
    // All forms of a signed image's digest are equal.
    let form = header.certificateTableRange == nil ? form : .firmware
    var known = digests.values[form] ?? [:]
    let missing = algorithms.subtracting(known.keys)
    if !missing.isEmpty {
      let new = try ImageDigest.compute(of: source, header: header, algorithms: missing, as: form, buffer: buffer)
      known.merge(new) { $1 }
      digests.values[form] = known
    }
    return known.filter { algorithms.contains($0.key) }
  }

  /// All signatures with their verdicts, in the order of the table.
  ///
  /// Reads the image at most once. Throws if it cannot be read, or if libcrypto fails.
  package func signatures(
    in source: any RandomAccessBytes, buffer: TransferBuffer = TransferBuffer()
  ) throws -> [ImageSignature] {
    try signatures(in: table.entries, of: source, buffer: buffer)
  }

  /// The signatures nested in another one, with their verdicts.
  ///
  /// Throws as `signatures(in:buffer:)`.
  package func signatures(
    nestedIn signature: AuthenticodeSignature, of source: any RandomAccessBytes,
    buffer: TransferBuffer = TransferBuffer()
  ) throws -> [ImageSignature] {
    try signatures(in: signature.nested, of: source, buffer: buffer)
  }

  private func signatures(
    in entries: [CertificateTable.Entry], of source: any RandomAccessBytes, buffer: TransferBuffer
  ) throws -> [ImageSignature] {
    let readings = entries.map(AuthenticodeSignature.reading)
    let algorithms = Set(readings.compactMap { try? $0.get().content.algorithm })
    let digests = try digests(algorithms, of: source, buffer: buffer)
    return try zip(entries, readings).map { entry, reading in
      ImageSignature(entry: entry, reading: reading, verdict: try Self.verdict(reading, digests))
    }
  }

  private static func verdict(
    _ reading: Result<AuthenticodeSignature, AuthenticodeError>, _ digests: [DigestAlgorithm: [UInt8]]
  ) throws -> ImageSignature.Verdict {
    switch reading {
    case .failure(let error) where error.rule == .otherType: return .otherType
    case .failure(let error): return .unreadable(error.message)
    case .success(let signature):
      guard try signature.isIntact() else { return .broken }
      return signature.content.digest == digests[signature.content.algorithm] ? .valid : .otherImage
    }
  }

  /// Digests that were already computed.
  private final class DigestCache {
    var values: [ImageDigest.Form: [DigestAlgorithm: [UInt8]]] = [:]
  }
}

/// One entry of an image's certificate table.
package struct ImageSignature: Sendable {
  /// Whether a signature is valid, regardless of trust and of what firmware can read.
  package enum Verdict: Hashable, Sendable {
    /// The signature is valid for exactly this image.
    case valid
    /// The signature is intact but for a different image: this one was modified, or the signature belongs elsewhere.
    case otherImage
    /// The signature itself is invalid.
    case broken
    /// The entry is not an Authenticode signature that can be read, with the reason.
    case unreadable(Message)
    /// The entry has a type that firmware and shim skip.
    case otherType
  }

  package let entry: CertificateTable.Entry
  package let reading: Result<AuthenticodeSignature, AuthenticodeError>
  package let verdict: Verdict

  /// The signature; nil if it cannot be read.
  package var signature: AuthenticodeSignature? { try? reading.get() }

  /// Whether the signature is valid, was made by this certificate's key alone, and has a form that EDK2 reads.
  package func isValid(by certificate: Certificate) -> Bool {
    verdict == .valid && signature?.message.signers == [certificate] && signature?.firmwareObstacle == nil
  }
}
