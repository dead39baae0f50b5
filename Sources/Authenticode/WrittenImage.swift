// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
internal import PortableExecutable

/// An image that was written, to be compared with what is read back.
package struct WrittenImage: Sendable {
  /// The image's SHA-256 Authenticode digest.
  package let digest: [UInt8]
  /// The headers as they are in the file.
  package let header: [UInt8]
  /// Number of zeros between the content and the certificate table.
  private let padding: Int
  /// The certificate table; empty if the image is unsigned.
  private let table: [UInt8]
  /// Size of the file in bytes.
  package let size: Int
  /// What identifies the image among others.
  package let identity: ImageIdentity

  /// `fields` are the parts of the headers that the digest leaves out.
  init(
    digest: [UInt8], header: [UInt8], without fields: [Range<Int>], padding: Int = 0, table: [UInt8] = [], size: Int
  ) throws {
    self.digest = digest
    self.header = header
    self.padding = padding
    self.table = table
    self.size = size
    identity = try ImageIdentity(authenticode: digest, rest: fields.flatMap { header[$0] } + table)
  }

  /// Whether every byte of `file` is as written.
  ///
  /// `content` passes the bytes between headers and certificate table once more, from where they came: comparing costs
  /// a fraction of a digest. Throws the errors of `content`, and of reading.
  package func isEqual(
    to file: any RandomAccessBytes, content: (_ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws -> Bool {
    struct Mismatch: Error {}
    var comparison = ByteComparison(with: file)
    guard file.count == size, try comparison.matches(header) else { return false }
    do {
      try content { guard try comparison.matches($0) else { throw Mismatch() } }
    } catch is Mismatch {
      return false
    }
    return try comparison.matches([UInt8](repeating: 0, count: padding) + table) && comparison.isComplete
  }

  /// As above, for a signed copy of `source`.
  package func isEqual(to file: any RandomAccessBytes, copyOf source: any RandomAccessBytes) throws -> Bool {
    let buffer = TransferBuffer()
    return try isEqual(to: file) {
      try buffer.forEachChunk(of: source, in: header.count..<size - padding - table.count, $0)
    }
  }

  /// Whether the last signature in `file` is valid and was made with this certificate.
  ///
  /// Compare the file with `isEqual` first. Throws `ParseError` or `AuthenticodeError` for a file that is no longer
  /// a signed image.
  package func isSigned(by certificate: Certificate, in file: any RandomAccessBytes) throws -> Bool {
    let entries = try SignedImage(parsing: file).table.entries
    guard let signature = try entries.last.map({ try AuthenticodeSignature(parsing: $0) }) else { return false }
    return try signature.content.digest == digest && signature.isIntact() && signature.message.signers == [certificate]
  }
}
