// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import CArchive
package import Messages

/// The content of a compressed stream (gzip, LZ4, xz or Zstandard, told by its first bytes), unpacked by libarchive
/// while reading; any other content is passed on unchanged.
package struct CompressedStream {
  private let source: any RandomAccessBytes

  package init(_ source: any RandomAccessBytes) { self.source = source }

  /// Calls `body` with the unpacked bytes, piece by piece, in order.
  ///
  /// Throws `CompressionError` if the stream is damaged, truncated or unpacks to more than `limit` bytes, and what
  /// `body` and reading the source throw.
  package func forEachChunk(limit: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    guard try isCompressed else {
      guard source.count <= limit else { throw CompressionError(.limit, detail: "more than \(limit) bytes") }
      return try TransferBuffer().forEachChunk(of: source, in: 0..<source.count, body)
    }
    _ = try Self.read(source, 0..<source.count, as: nil, limit: limit, body)
  }

  /// Whether it starts like one of the formats; libarchive looks closer.
  private var isCompressed: Bool {
    get throws {
      let start = try source.readBytes(at: 0, count: min(2, source.count), format: "compressed stream")
      switch EmbeddedStream.Format(start: start) {
      case .gzip, .lz4, .lz4Frame, .xz, .zstd: return true
      case .bzip2, .lzma, .lzo, nil: return false
      }
    }
  }

  /// Unpacks a range of `source` and returns the number of bytes that the stream has.
  ///
  /// With a `format`, the range must start with a stream of that format. Without one, it is told by the first bytes, and
  /// other content is passed on unchanged. Throws like `forEachChunk`.
  static func read(
    _ source: any RandomAccessBytes, _ range: Range<Int>, as format: EmbeddedStream.Format?, limit: Int,
    _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Int {
    let calls = try ArchiveLibrary.load()
    let reader = SourceReader(source, range)
    guard let archive = calls.archive_read_new() else { throw CompressionError(detail: "out of memory") }
    defer { _ = calls.archive_read_free(archive) }
    // Enable filters one by one: archive_read_support_filter_all may also start external programs.
    for filter in format.map({ [$0] }) ?? [.gzip, .lz4, .xz, .zstd] {
      switch filter {
      case .gzip: _ = calls.archive_read_support_filter_gzip(archive)
      case .bzip2: _ = calls.archive_read_support_filter_bzip2(archive)
      case .lzma: _ = calls.archive_read_support_filter_lzma(archive)
      case .xz: _ = calls.archive_read_support_filter_xz(archive)
      case .lz4: _ = calls.archive_read_support_filter_lz4(archive)
      case .zstd: _ = calls.archive_read_support_filter_zstd(archive)
      case .lzo, .lz4Frame: break
      }
    }
    _ = calls.archive_read_support_format_raw(archive)
    _ = calls.archive_read_support_format_empty(archive)
    return try withExtendedLifetime(reader) {
      let context = Unmanaged.passUnretained(reader).toOpaque()
      var entry: OpaquePointer?
      let opened = calls.archive_read_open(archive, context, nil, { SourceReader.read(from: $1, into: $2) }, nil)
      guard opened == ARCHIVE_OK else { throw reader.failure ?? Self.error(archive, calls) }
      switch calls.archive_read_next_header(archive, &entry) {
      case ARCHIVE_OK: break
      // The input is empty.
      case ARCHIVE_EOF: return Int(clamping: calls.archive_filter_bytes(archive, -1))
      default: throw reader.failure ?? Self.error(archive, calls)
      }
      // libarchive also unpacks a stream within the stream, and passes on what it does not recognise.
      if format != nil, calls.archive_filter_count(archive) != 2 {
        throw CompressionError(detail: "it is not one compressed stream")
      }
      var total = 0
      while true {
        var block: UnsafeRawPointer?
        var count = 0
        var offset: Int64 = 0
        switch calls.archive_read_data_block(archive, &block, &count, &offset) {
        case ARCHIVE_EOF: return Int(clamping: calls.archive_filter_bytes(archive, -1))
        case ARCHIVE_OK: break
        default: throw reader.failure ?? Self.error(archive, calls)
        }
        total += count
        guard total <= limit else { throw CompressionError(.limit, detail: "more than \(limit) bytes") }
        try body(UnsafeRawBufferPointer(start: block, count: count))
      }
    }
  }

  private static func error(_ archive: OpaquePointer, _ calls: psu_archive_calls) -> CompressionError {
    let reason = calls.archive_error_string(archive).map { Message(verbatim: String(cString: $0)) }
    return CompressionError(detail: reason ?? "the data is damaged")
  }
}

/// Passes a source to libarchive, one buffer at a time.
private final class SourceReader {
  private let source: any RandomAccessBytes
  private let buffer = TransferBuffer()
  private var offset: Int
  private let end: Int
  /// The error that reading threw; libarchive only learns that it failed.
  private(set) var failure: (any Error)?

  init(_ source: any RandomAccessBytes, _ range: Range<Int>) {
    self.source = source
    offset = range.lowerBound
    end = range.upperBound
  }

  static func read(
    from context: UnsafeMutableRawPointer?, into pointer: UnsafeMutablePointer<UnsafeRawPointer?>?
  ) -> Int {
    guard let context else { return -1 }
    return Unmanaged<SourceReader>.fromOpaque(context).takeUnretainedValue().next(pointer)
  }

  private func next(_ pointer: UnsafeMutablePointer<UnsafeRawPointer?>?) -> Int {
    let count = min(buffer.bytes.count, end - offset)
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

/// An error of packing or unpacking, with libarchive's reason and a hint.
package struct CompressionError: HintedError, Hashable {
  package enum Operation: Hashable, Sendable {
    case unpack
    /// Unpacking an intact stream that is larger than the caller accepts.
    case limit
    /// Unpacking a format that is not supported.
    case unsupported
    /// Unpacking or packing without libarchive.
    case unavailable
    case pack
  }

  package var operation = Operation.unpack
  /// The reason, as a fragment after a colon.
  package var detail: Message

  package init(_ operation: Operation = .unpack, detail: Message) {
    self.operation = operation
    self.detail = detail
  }

  package var message: Message {
    switch operation {
    case .unpack, .limit, .unsupported, .unavailable: "unpacking failed: \(detail)"
    case .pack: "packing failed: \(detail)"
    }
  }

  package var hint: Message? {
    switch operation {
    case .unpack, .limit, .unsupported: "reinstall the package that contains the file"
    case .unavailable: "run 'apt install libarchive13'"
    case .pack: nil
    }
  }
}
