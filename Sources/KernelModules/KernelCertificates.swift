// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Compression
package import Cryptography
internal import Messages

/// The certificates that are compiled into a kernel, its `.builtin_trusted_keys` (Linux, certs/system_certificates.S):
/// the one that signed its own modules, and those of the distribution.
///
/// They are found by their form in the unpacked kernel, so that a certificate for another purpose counts too.
/// Distributions compile in none that could sign modules.
package struct KernelCertificates: Sendable {
  /// In the order of the kernel, without repetitions.
  package private(set) var certificates: [Certificate] = []

  /// The start of a version 3 certificate after its two outer lengths: the version, and the tag of the serial number
  /// (RFC 5280 section 4.1).
  private static let mark: [UInt8] = [0xa0, 3, 2, 1, 2, 2]
  /// Bytes from the start of a certificate to the mark: two times tag and length.
  private static let markOffset = 8
  /// More bytes than a certificate has.
  private static let certificateLimit = 16 << 10
  /// Maximum size of an unpacked kernel in bytes; Debian's have a fifth of it.
  private static let sizeLimit = 512 << 20
  private static let countLimit = 256

  /// Unpacks the kernel and searches it.
  ///
  /// Throws `CompressionError` or `ParseError` if its payload is damaged or in an unknown format, and what reading throws.
  package init(of kernel: any RandomAccessBytes) throws {
    var window: [UInt8] = []
    window.reserveCapacity(4 << 20)
    try Self.forEachChunk(of: kernel) { chunk in
      window.append(contentsOf: chunk)
      guard window.count >= 2 << 20 else { return }
      // The last bytes are searched again with what follows them.
      search(window)
      window.removeFirst(window.count - Self.certificateLimit)
    }
    search(window)
  }

  private mutating func search(_ window: [UInt8]) {
    // Slices and iterators take twenty times as long here.
    for index in 0..<max(0, window.count - Self.mark.count) where window[index] == Self.mark[0] {
      guard index >= Self.markOffset, window[index + 1] == Self.mark[1],
        window[index..<index + Self.mark.count].elementsEqual(Self.mark), certificates.count < Self.countLimit
      else { continue }
      let start = index - Self.markOffset
      guard let end = Self.end(in: window, from: start),
        let certificate = try? Certificate(parsing: Array(window[start..<end]))
      else { continue }
      if !certificates.contains(certificate) { certificates.append(certificate) }
    }
  }

  /// The end of a DER sequence with a two-byte length that contains another one; nil if it is not such a sequence.
  private static func end(in bytes: [UInt8], from start: Int) -> Int? {
    guard bytes[start] == 0x30, bytes[start + 1] == 0x82, bytes[start + 4] == 0x30, bytes[start + 5] == 0x82 else {
      return nil
    }
    let end = start + 4 + Int(bytes[start + 2]) << 8 + Int(bytes[start + 3])
    return end <= bytes.count && end - start <= certificateLimit ? end : nil
  }

  // MARK: Payload

  /// The unpacked kernel, piece by piece.
  ///
  /// | kernel | where its payload is |
  /// |---|---|
  /// | x86, `HdrS` at 0x202 | payload_offset (0x248) after the setup sectors (0x1f1), payload_length (0x24c); boot.rst |
  /// | EFI zboot, `zimg` at 4 | offset at 8, size at 12; zboot-header.S |
  /// | others | not compressed |
  private static func forEachChunk(
    of kernel: any RandomAccessBytes, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    guard let range = try payload(of: kernel) else {
      return try TransferBuffer().forEachChunk(of: kernel, in: 0..<min(kernel.count, sizeLimit), body)
    }
    let start = try kernel.readBytes(at: range.lowerBound, count: min(2, range.count), format: "kernel")
    guard let format = EmbeddedStream.Format(start: start) else {
      return try TransferBuffer().forEachChunk(of: kernel, in: range, body)
    }
    _ = try EmbeddedStream(format, in: Part(bytes: kernel, range: range), at: 0).forEachChunk(limit: sizeLimit, body)
  }

  private static func payload(of kernel: any RandomAccessBytes) throws -> Range<Int>? {
    let head = try kernel.readBytes(at: 0, count: min(0x250, kernel.count), format: "kernel")
    func word(at offset: Int) -> Int { (0..<4).reduce(0) { $0 | Int(head[offset + $1]) << (8 * $1) } }
    var range: (start: Int, count: Int)?
    if head.count == 0x250, head[0x202..<0x206].elementsEqual("HdrS".utf8) {
      let sectors = head[0x1f1] == 0 ? 4 : Int(head[0x1f1])
      range = ((sectors + 1) * 512 + word(at: 0x248), word(at: 0x24c))
    } else if head.count >= 16, head[4..<8].elementsEqual("zimg".utf8) {
      range = (word(at: 8), word(at: 12))
    }
    guard let range else { return nil }
    guard range.start <= kernel.count, range.count <= kernel.count - range.start else {
      throw ParseError("kernel", at: range.start, .truncated, "the payload of \(range.count) bytes is truncated")
    }
    return range.start..<range.start + range.count
  }
}

/// A range of other bytes.
private struct Part: RandomAccessBytes {
  let bytes: any RandomAccessBytes
  let range: Range<Int>

  var count: Int { range.count }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    guard offset >= 0, buffer.count <= count - offset else {
      throw ParseError("kernel", at: range.lowerBound + offset, .truncated, "the payload ends within a read")
    }
    try bytes.read(into: buffer, at: range.lowerBound + offset)
  }

  func requireUnchanged() throws { try bytes.requireUnchanged() }
}
