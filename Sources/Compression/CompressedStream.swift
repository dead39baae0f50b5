// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import CArchive
package import Messages

/// The content of one compressed stream, unpacked by libarchive as it is read: gzip, LZ4, xz or Zstandard, told by its
/// first bytes; any other content is passed on as it is.
package struct CompressedStream {
  private let source: any RandomAccessBytes

  package init(_ source: any RandomAccessBytes) { self.source = source }

  /// Calls `body` with the unpacked bytes, a piece after the other, in order.
  ///
  /// Throws `CompressionError` if the stream is damaged, ends early or has more than `limit` bytes unpacked; what
  /// `body` or reading the source throws otherwise.
  package func forEachChunk(limit: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    let reader = SourceReader(source)
    guard let archive = archive_read_new() else { throw CompressionError(detail: "memory is short") }
    defer { archive_read_free(archive) }
    // One bidder for each: archive_read_support_filter_all would also start other programs.
    archive_read_support_filter_gzip(archive)
    archive_read_support_filter_lz4(archive)
    archive_read_support_filter_xz(archive)
    archive_read_support_filter_zstd(archive)
    archive_read_support_format_raw(archive)
    archive_read_support_format_empty(archive)
    try withExtendedLifetime(reader) {
      let context = Unmanaged.passUnretained(reader).toOpaque()
      var entry: OpaquePointer?
      let opened = archive_read_open(archive, context, nil, { SourceReader.read(from: $1, into: $2) }, nil)
      guard opened == ARCHIVE_OK else { throw reader.failure ?? Self.error(archive) }
      switch archive_read_next_header(archive, &entry) {
      case ARCHIVE_OK: break
      // There is not one byte.
      case ARCHIVE_EOF: return
      default: throw reader.failure ?? Self.error(archive)
      }
      var total = 0
      while true {
        var block: UnsafeRawPointer?
        var count = 0
        var offset: Int64 = 0
        switch archive_read_data_block(archive, &block, &count, &offset) {
        case ARCHIVE_EOF: return
        case ARCHIVE_OK: break
        default: throw reader.failure ?? Self.error(archive)
        }
        total += count
        guard total <= limit else { throw CompressionError(detail: "it has more than \(limit) bytes") }
        try body(UnsafeRawBufferPointer(start: block, count: count))
      }
    }
  }

  private static func error(_ archive: OpaquePointer) -> CompressionError {
    CompressionError(
      detail: archive_error_string(archive).map { Message(verbatim: String(cString: $0)) } ?? "it is damaged")
  }
}

/// Hands a source to libarchive, a buffer at a time.
private final class SourceReader {
  private let source: any RandomAccessBytes
  private let buffer = TransferBuffer()
  private var offset = 0
  /// What reading threw; libarchive only learns that it failed.
  private(set) var failure: (any Error)?

  init(_ source: any RandomAccessBytes) { self.source = source }

  static func read(
    from context: UnsafeMutableRawPointer?, into pointer: UnsafeMutablePointer<UnsafeRawPointer?>?
  ) -> Int {
    guard let context else { return -1 }
    return Unmanaged<SourceReader>.fromOpaque(context).takeUnretainedValue().next(pointer)
  }

  private func next(_ pointer: UnsafeMutablePointer<UnsafeRawPointer?>?) -> Int {
    let count = min(buffer.bytes.count, source.count - offset)
    do {
      try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<count]), at: offset)
    } catch {
      failure = error
      return -1
    }
    offset += count
    pointer?.pointee = UnsafeRawPointer(buffer.bytes.baseAddress)
    return count
  }
}

/// A stream that cannot be unpacked or packed: what libarchive says of it, and what to do.
package struct CompressionError: HintedError, Hashable {
  package enum Operation: Hashable, Sendable { case unpack, pack }

  package var operation = Operation.unpack
  /// The rest of a sentence about the stream.
  package var detail: Message

  package init(_ operation: Operation = .unpack, detail: Message) {
    self.operation = operation
    self.detail = detail
  }

  package var message: Message {
    switch operation {
    case .unpack: "it cannot be unpacked: \(detail)"
    case .pack: "it cannot be packed: \(detail)"
    }
  }

  package var hint: Message? {
    switch operation {
    case .unpack: "install the package that the file belongs to once more"
    case .pack: nil
    }
  }
}
