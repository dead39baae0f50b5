// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import CArchive
internal import Messages

/// A compressed stream as it is written: the bytes put in come out packed at another sink.
///
/// The same bytes give the same stream, without name and time. Memory does not grow with them.
package final class CompressingSink: ByteSink {
  /// How the stream is packed: as dpkg-deb does by itself.
  package enum Format: CaseIterable, Hashable, Sendable {
    /// Zstandard of level 3 in one frame: dpkg reads no more than the first.
    case zstd
    /// One gzip member of level 9.
    case gzip
    /// One xz stream of level 6 in one block.
    case xz
    /// As it is.
    case none
  }

  private let archive: OpaquePointer
  private let output: Output

  /// What is packed goes to `sink`.
  ///
  /// Throws `CompressionError` if libarchive does not know the format.
  package init(_ format: Format, to sink: any ByteSink) throws {
    guard let archive = archive_write_new() else { throw CompressionError(.pack, detail: "memory is short") }
    self.archive = archive
    output = Output(sink)
    try check(archive_write_set_format_raw(archive))
    switch format {
    case .zstd:
      try check(archive_write_add_filter_zstd(archive))
      try set("zstd", option: "compression-level", to: "3")
    case .gzip:
      try check(archive_write_add_filter_gzip(archive))
      try set("gzip", option: "compression-level", to: "9")
      try set("gzip", option: "timestamp", to: nil)
    case .xz:
      try check(archive_write_add_filter_xz(archive))
      try set("xz", option: "compression-level", to: "6")
    case .none: break
    }
    // No block is filled up.
    try check(archive_write_set_bytes_per_block(archive, 0))
    let context = Unmanaged.passUnretained(output).toOpaque()
    try check(archive_write_open(archive, context, nil, { Output.write($2, count: $3, to: $1) }, nil))
    guard let entry = archive_entry_new() else { throw CompressionError(.pack, detail: "memory is short") }
    defer { archive_entry_free(entry) }
    // A regular file (S_IFREG), the one kind that a raw archive holds.
    archive_entry_set_filetype(entry, 0o100000)
    try check(archive_write_header(archive, entry))
  }

  deinit { archive_write_free(archive) }

  private func set(_ filter: String, option: String, to value: String?) throws {
    try check(archive_write_set_filter_option(archive, filter, option, value))
  }

  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = archive_write_data(archive, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      guard count > 0 else { throw output.failure ?? error }
      rest = rest.dropFirst(count)
    }
  }

  /// What was packed cannot be changed.
  package func patch(_ bytes: [UInt8], at offset: Int) throws {
    throw CompressionError(.pack, detail: "a compressed stream cannot be changed where it stands")
  }

  /// Writes what is left.
  ///
  /// Call once, at the end.
  package func finish() throws { try check(archive_write_close(archive)) }

  private func check(_ code: Int32) throws {
    guard code == ARCHIVE_OK else { throw output.failure ?? error }
  }

  private var error: CompressionError {
    CompressionError(
      .pack, detail: archive_error_string(archive).map { Message(verbatim: String(cString: $0)) } ?? "libarchive failed"
    )
  }
}

/// Takes what libarchive has packed.
private final class Output {
  private let sink: any ByteSink
  /// What writing threw; libarchive only learns that it failed.
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
