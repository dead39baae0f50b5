// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

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
  /// The text after edits, with the symbols it had before. The header has both sizes, as liblzma's threaded decoder wants
  /// them, and is no smaller than the `old` one. Throws what the check throws.
  init(
    transcoding symbols: LZMA2Block, to edited: EditedText, header old: BlockHeader, check: XZCheck, reusing: Bool
  ) throws {
    let room = symbols.likelySize(with: edited.edits)
    var header = BlockHeader(compressedSize: room, textCount: edited.text.count, filters: old.filters)
    let headerSize = header.serialize(minimumSize: old.size).count
    let checkBytes = try check.value(of: UnsafeRawBufferPointer(edited.text.bytes))
    func tail(_ dataCount: Int) -> [UInt8] { [UInt8](repeating: 0, count: -dataCount & 3) + checkBytes }
    var dataCount = 0
    // The data is written where it stays. Only what turns out larger than it should is put together from its parts.
    var parts: [UInt8]?
    let inPlace = [UInt8](unsafeUninitializedCapacity: headerSize + room + 3 + check.size) { buffer, initialized in
      let output = OutputBuffer(borrowing: UnsafeMutableBufferPointer(rebasing: buffer[headerSize..<headerSize + room]))
      symbols.encode(applying: edited.edits, text: edited.text, to: output, reusing: reusing)
      dataCount = output.bytes.count
      header.compressedSize = dataCount
      let start = header.serialize(minimumSize: headerSize)
      if output.isOwner || start.count != headerSize {
        parts = start + output.bytes + tail(dataCount)
      } else {
        _ = buffer[..<headerSize].update(fromContentsOf: start)
        let end = tail(dataCount)
        _ = buffer[(headerSize + dataCount)...].prefix(end.count).update(fromContentsOf: end)
        initialized = headerSize + dataCount + end.count
      }
    }
    bytes = parts ?? inPlace
    unpaddedSize = bytes.count - (-dataCount & 3)
    textCount = edited.text.count
    wasTranscoded = true
  }
}
