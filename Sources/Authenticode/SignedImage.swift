// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Cryptography
package import PortableExecutable

/// An image's headers with the signatures it carries.
package struct SignedImage: Sendable {
  package let header: PEHeader
  package let table: CertificateTable

  /// Reads headers and certificate table of `source`.
  package init(parsing source: any RandomAccessBytes) throws {
    header = try PEHeader(parsing: source)
    table = try CertificateTable(of: header, in: source)
  }

  /// What one signature of an image is worth, without any question of trust.
  package enum Verdict: Hashable, Sendable {
    /// It is the owner's signature over exactly this image.
    case valid
    /// It is intact, but over another image: this one was changed, or the signature belongs elsewhere.
    case otherImage
    /// The signature itself does not hold.
    case broken
  }

  /// All signatures with their verdicts, in the order of the table.
  ///
  /// Digests the image once an algorithm in use.
  ///
  /// Throws if one cannot be read or checked.
  package func signatures(
    in source: any RandomAccessBytes, buffer: TransferBuffer = TransferBuffer()
  ) throws -> [(signature: AuthenticodeSignature, verdict: Verdict)] {
    var digests: [DigestAlgorithm: [UInt8]] = [:]
    return try table.entries.map { entry in
      let signature = try AuthenticodeSignature(parsing: entry)
      let algorithm = signature.content.algorithm
      let digest =
        try digests[algorithm]
        ?? ImageDigest.compute(of: source, header: header, algorithm: algorithm, buffer: buffer)
      digests[algorithm] = digest
      guard try signature.isIntact() else { return (signature, .broken) }
      return (signature, signature.content.digest == digest ? .valid : .otherImage)
    }
  }
}
