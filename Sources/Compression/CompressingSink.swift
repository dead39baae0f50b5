// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import CArchive
internal import Messages

/// Compresses the bytes written to it and writes the result to another sink.
///
/// The output is reproducible: it contains neither name nor time. Memory use does not grow with the input.
package final class CompressingSink: ByteSink {
  /// The format, with dpkg-deb's default parameters.
  package enum Format: CaseIterable, Hashable, Sendable {
    /// Zstandard level 3 in one frame: dpkg reads only the first.
    case zstd
    /// One gzip member, level 9.
    case gzip
    /// One xz stream, level 6, in one block.
    case xz
    /// Uncompressed.
    case none
  }

  private let calls: psu_archive_calls
  private let archive: OpaquePointer
  private let output: Output

  /// Creates a stream that writes to `sink`.
  ///
  /// Throws `CompressionError` if libarchive is missing or does not support the format.
  package init(_ format: Format, to sink: any ByteSink) throws {
    calls = try ArchiveLibrary.load()
    guard let archive = calls.archive_write_new() else { throw CompressionError(.pack, detail: "out of memory") }
    self.archive = archive
    output = Output(sink)
    try check(calls.archive_write_set_format_raw(archive))
    switch format {
    case .zstd:
      try check(calls.archive_write_add_filter_zstd(archive))
      try set("zstd", option: "compression-level", to: "3")
    case .gzip:
      try check(calls.archive_write_add_filter_gzip(archive))
      try set("gzip", option: "compression-level", to: "9")
      try set("gzip", option: "timestamp", to: nil)
    case .xz:
      try check(calls.archive_write_add_filter_xz(archive))
      try set("xz", option: "compression-level", to: "6")
    case .none: break
    }
    // Do not pad blocks.
    try check(calls.archive_write_set_bytes_per_block(archive, 0))
    let context = Unmanaged.passUnretained(output).toOpaque()
    try check(calls.archive_write_open(archive, context, nil, { Output.write($2, count: $3, to: $1) }, nil))
    guard let entry = calls.archive_entry_new() else { throw CompressionError(.pack, detail: "out of memory") }
    defer { calls.archive_entry_free(entry) }
    // A regular file (S_IFREG), the only kind that a raw archive can contain.
    calls.archive_entry_set_filetype(entry, 0o100000)
    try check(calls.archive_write_header(archive, entry))
  }

  deinit { _ = calls.archive_write_free(archive) }

  private func set(_ filter: String, option: String, to value: String?) throws {
    try check(calls.archive_write_set_filter_option(archive, filter, option, value))
  }

  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = calls.archive_write_data(archive, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      guard count > 0 else { throw output.failure ?? error }
      rest = rest.dropFirst(count)
    }
  }

  /// Always throws `CompressionError`: compressed data cannot be changed.
  package func patch(_ bytes: [UInt8], at offset: Int) throws {
    throw CompressionError(.pack, detail: "a compressed stream cannot be changed in place")
  }

  /// Writes the rest of the stream.
  ///
  /// Call once, at the end.
  package func finish() throws { try check(calls.archive_write_close(archive)) }

  private func check(_ code: Int32) throws {
    guard code == ARCHIVE_OK else { throw output.failure ?? error }
  }

  private var error: CompressionError {
    let reason = calls.archive_error_string(archive).map { Message(verbatim: String(cString: $0)) }
    return CompressionError(.pack, detail: reason ?? "libarchive failed")
  }
}

/// Receives libarchive's output.
private final class Output {
  private let sink: any ByteSink
  /// The error that writing threw; libarchive only learns that it failed.
  private(set) var failure: (any Error)?

  init(_ sink: any ByteSink) { self.sink = sink }

  static func write(_ bytes: UnsafeRawPointer?, count: Int, to context: UnsafeMutableRawPointer?) -> Int {
    guard let context else { return -1 }
    let output = Unmanaged<Output>.fromOpaque(context).takeUnretainedValue()
    do {
      try output.sink.write(UnsafeRawBufferPointer(start: bytes, count: count))
      return count
    } catch {
      output.failure = error
      return -1
    }
  }
}
