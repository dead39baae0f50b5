// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Cryptography
package import PortableExecutable

/// An image's headers and signatures.
package struct SignedImage: Sendable {
  package let header: PEHeader
  package let table: CertificateTable

  /// Reads the headers and the certificate table of `source`.
  package init(parsing source: any RandomAccessBytes) throws {
    header = try PEHeader(parsing: source)
    table = try CertificateTable(of: header, in: source)
  }

  /// Whether one signature of an image is valid, regardless of trust.
  package enum Verdict: Hashable, Sendable {
    /// The signature is valid for exactly this image.
    case valid
    /// The signature is intact but for a different image: this one was modified, or the signature belongs elsewhere.
    case otherImage
    /// The signature itself is invalid.
    case broken
  }

  /// All signatures with their verdicts, in the order of the table.
  ///
  /// Reads the image once per digest algorithm in use.
  ///
  /// Throws if a signature cannot be read or checked.
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
