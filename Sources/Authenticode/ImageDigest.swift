// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
package import PortableExecutable

/// The Authenticode digest of an image.
package enum ImageDigest {
  /// Computes the digest of the image with headers `header`, reading it through `buffer`.
  ///
  /// An image without a certificate table is digested as if padded to 8 bytes, since signing pads it.
  package static func compute(
    of source: any RandomAccessBytes, header: PEHeader, algorithm: DigestAlgorithm = .sha256,
    buffer: TransferBuffer = TransferBuffer()
  ) throws -> [UInt8] {
    var digest = try Digest(algorithm)
    for range in header.digestRanges { try digest.update(contentsOf: source, in: range, through: buffer) }
    try digest.update([UInt8](repeating: 0, count: header.signaturePadding))
    return try digest.finish()
  }
}
