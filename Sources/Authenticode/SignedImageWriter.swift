// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
internal import Messages
package import PortableExecutable

/// Writes an image, computes its digest and checksum on the way, and signs it at the end.
///
/// CheckSum and the certificate directory entry, which the digest excludes, are patched last. All other header fields
/// are known in advance.
package final class SignedImageWriter {
  private let sink: any ByteSink
  private let checkSumOffset: Int
  private let certificateDirectoryOffset: Int
  private let digest: RunningDigest
  private var checkSum = CheckSum()
  private var header: [UInt8] = []
  /// Bytes written so far.
  package private(set) var count = 0

  package init(sink: any ByteSink, checkSumOffset: Int, certificateDirectoryOffset: Int) throws {
    self.sink = sink
    self.checkSumOffset = checkSumOffset
    self.certificateDirectoryOffset = certificateDirectoryOffset
    digest = try RunningDigest(.sha256)
  }

  /// Writes the headers; CheckSum and the certificate directory entry must be zero in them.
  package func writeHeader(_ header: [UInt8]) throws {
    try digest.update(Array(header[..<checkSumOffset]))
    try digest.update(Array(header[(checkSumOffset + 4)..<certificateDirectoryOffset]))
    try digest.update(Array(header[(certificateDirectoryOffset + 8)...]))
    checkSum.update(header)
    try sink.write(header)
    self.header = header
    count += header.count
  }

  /// Writes the next bytes of the image.
  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    try digest.update(bytes)
    checkSum.update(bytes)
    try sink.write(bytes)
    count += bytes.count
  }

  /// Writes `range` of `source`, or all of it.
  ///
  /// Throws if reading or writing fails.
  package func write(
    contentsOf source: any RandomAccessBytes, in range: Range<Int>? = nil,
    through buffer: TransferBuffer = TransferBuffer()
  ) throws {
    try buffer.forEachChunk(of: source, in: range ?? 0..<source.count) { try write($0) }
  }

  /// Writes zero bytes up to file offset `offset`.
  package func pad(to offset: Int) throws {
    guard offset > count else { return }
    let zeros = [UInt8](repeating: 0, count: min(offset - count, 1 << 16))
    while count < offset {
      let chunk = min(zeros.count, offset - count)
      try zeros.withUnsafeBytes { try write(UnsafeRawBufferPointer(rebasing: $0[..<chunk])) }
    }
  }

  /// Leaves the image unsigned.
  package func finish() throws -> WrittenImage {
    try patch(Self.bytes(checkSum.value(with: [])), at: checkSumOffset)
    return try WrittenImage(digest: try digest.finish(), header: header, without: omitted, size: count)
  }

  /// Pads to 8 bytes, appends the certificate table, and patches CheckSum and the certificate directory entry.
  package func finish(
    signingBy identity: SigningIdentity, at signingTime: Int64?, keeping entries: [CertificateTable.Entry] = []
  ) throws -> WrittenImage {
    try finish(keeping: entries) {
      try AuthenticodeSignature.sign(digest: $0, by: identity, signingTime: signingTime)
    }
  }

  /// As above, with the signature that `sign` returns for the image's digest.
  package func finish(
    keeping entries: [CertificateTable.Entry], _ sign: ([UInt8]) throws -> CertificateTable.Entry
  ) throws -> WrittenImage {
    let padding = (8 - count % 8) % 8
    try pad(to: count + padding)
    let imageDigest = try digest.finish()
    let entry = try sign(imageDigest)
    let table = CertificateTable(entries + [entry]).serialized
    guard let start = UInt32(exactly: count), count + table.count <= Int(UInt32.max) else {
      throw AuthenticodeError(.size, "the signed image would have \(count + table.count) bytes; the limit is 4 GiB")
    }
    let directory = Self.bytes(start) + Self.bytes(UInt32(table.count))
    checkSum.update(table)
    try sink.write(table)
    count += table.count
    try patch(directory, at: certificateDirectoryOffset)
    try patch(Self.bytes(checkSum.value(with: directory)), at: checkSumOffset)
    return try WrittenImage(
      digest: imageDigest, header: header, without: omitted, padding: padding, table: table, size: count)
  }

  /// The fields that the digest leaves out.
  private var omitted: [Range<Int>] {
    [checkSumOffset..<checkSumOffset + 4, certificateDirectoryOffset..<certificateDirectoryOffset + 8]
  }

  private func patch(_ bytes: [UInt8], at offset: Int) throws {
    try sink.patch(bytes, at: offset)
    header.replaceSubrange(offset..<offset + bytes.count, with: bytes)
  }

  private static func bytes(_ value: UInt32) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(value)
    return writer.bytes
  }
}
