// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Cryptography
internal import PortableExecutable

/// A digest of all bytes of a signed image, for recognizing it.
///
/// It is the SHA-256 digest of the image's SHA-256 Authenticode digest, followed by the bytes that this one leaves out:
/// CheckSum, the certificate directory entry and the certificate table. So both cost one pass over the image, unlike
/// the digest of the file.
package struct ImageIdentity: Hashable, Sendable {
  package let value: [UInt8]
  /// The image's SHA-256 Authenticode digest.
  package let authenticode: [UInt8]

  /// The identity of an image with that Authenticode digest; `rest` are the bytes that it leaves out, in file order.
  ///
  /// Throws `CryptoError` if libcrypto fails.
  package init(authenticode: [UInt8], rest: [UInt8]) throws {
    value = try Digest.of(authenticode + rest)
    self.authenticode = authenticode
  }

  /// Reads the image once.
  ///
  /// Throws `ParseError` unless it is an image with valid headers, or errors from reading.
  package init(of source: any RandomAccessBytes) throws {
    let header = try PEHeader(parsing: source)
    let buffer = TransferBuffer()
    let authenticode = try ImageDigest.compute(of: source, header: header, buffer: buffer)
    value = try Self.value(authenticode, then: header.rangesOutsideDigest, of: source, through: buffer)
    self.authenticode = authenticode
  }

  // Swift 6.0.3 crashes if a release build finds this in the initializer.
  private static func value(
    _ authenticode: [UInt8], then ranges: [Range<Int>], of source: any RandomAccessBytes, through buffer: TransferBuffer
  ) throws -> [UInt8] {
    var digest = try Digest()
    try digest.update(authenticode)
    for range in ranges { try digest.update(contentsOf: source, in: range, through: buffer) }
    return try digest.finish()
  }
}
