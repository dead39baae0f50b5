// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import LZMA2

/// A block as it goes into a file.
package struct EncodedBlock: Hashable, Sendable {
  /// Header, compressed data, padding and check.
  package var bytes: [UInt8]
  /// Bytes without the padding, for the index.
  package var unpaddedSize: Int
  /// Bytes of text.
  package var textCount: Int
  /// Whether the symbols of an earlier block were kept, rather than found anew by liblzma.
  package var wasTranscoded: Bool
}

extension EncodedBlock {
  /// Transcoded `data`, with a header of at least `headerSize` bytes that has both sizes, as liblzma's threaded decoder
  /// wants them. Throws what the check throws.
  init(
    data: UnsafeRawBufferPointer, filters: [BlockHeader.Filter], headerSize: Int, text: PaddedBuffer, check: XZCheck
  ) throws {
    let header = BlockHeader(compressedSize: data.count, textCount: text.count, filters: filters)
      .serialize(minimumSize: headerSize)
    let checkBytes = try check.value(of: UnsafeRawBufferPointer(text.bytes))
    let padding = -data.count & 3
    bytes = []
    bytes.reserveCapacity(header.count + data.count + padding + checkBytes.count)
    bytes += header
    bytes.append(contentsOf: data)
    bytes += repeatElement(0, count: padding)
    bytes += checkBytes
    unpaddedSize = bytes.count - padding
    textCount = text.count
    wasTranscoded = true
  }
}
