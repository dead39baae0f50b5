// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CLZMA
internal import LZMA2
internal import Messages

/// A block as written to a file.
package struct EncodedBlock: Hashable, Sendable {
  /// Header, compressed data, padding and check.
  package var bytes: [UInt8]
  /// Size in bytes without padding, for the index.
  package var unpaddedSize: Int
  /// Size of the text in bytes.
  package var textCount: Int
  /// Whether the symbols of an earlier block were kept, instead of recompressed by liblzma.
  package var wasTranscoded: Bool
}

extension EncodedBlock {
  /// Encodes the edited text with the symbols of the old text, and sets `copied` to the data that was copied.
  ///
  /// The header has both sizes, which liblzma's threaded decoder needs, and is at least as large as the `old` one.
  /// Throws what computing the check throws.
  init(
    transcoding symbols: LZMA2Block, to edited: EditedText, header old: BlockHeader, check: XZCheck, reusing: Bool,
    copied: inout [CopiedData]
  ) throws {
    let room = symbols.likelySize(with: edited.edits)
    var header = BlockHeader(compressedSize: room, textCount: edited.text.count, filters: old.filters)
    let headerSize = header.serialize(minimumSize: old.size).count
    let checkBytes = try check.value(of: UnsafeRawBufferPointer(edited.text.bytes))
    func tail(_ dataCount: Int) -> [UInt8] { [UInt8](repeating: 0, count: -dataCount & 3) + checkBytes }
    var dataCount = 0
    // The data is written directly to its final place, and joined from parts only if it grows beyond the estimate.
    var parts: [UInt8]?
    let inPlace = [UInt8](unsafeUninitializedCapacity: headerSize + room + 3 + check.size) { buffer, initialized in
      let output = OutputBuffer(borrowing: UnsafeMutableBufferPointer(rebasing: buffer[headerSize..<headerSize + room]))
      copied = symbols.encode(applying: edited.edits, text: edited.text, to: output, reusing: reusing)
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

extension EncodedBlock {
  /// Bytes of text in each block that liblzma encodes: the dictionary size of preset 6.
  ///
  /// Fixed, so that the output does not depend on the number of workers.
  private static let pieceSize = 8 << 20

  /// Encodes `text` in blocks of at most 8 MiB on `workers` threads, and stores each range of `storing` (offsets in
  /// `text`, sorted) uncompressed in a block of its own.
  ///
  /// `preset` is an xz preset, 0 to 9.
  ///
  /// Throws `XZError` if liblzma fails for lack of memory or threads.
  package static func encode(
    text: UnsafeRawBufferPointer, check: XZCheck, preset: UInt32 = 6, storing: [Range<Int>] = [], workers: Int = 1
  ) throws -> [EncodedBlock] {
    let pieces = pieces(of: text.count, storing: storing)
    let runs = pieces.filter { !$0.isStored }.map { UnsafeRawBufferPointer(rebasing: text[$0.range]) }
    var compressed = try compressOnFewerThreads(runs, check: check, preset: preset, workers: workers)[...]
    var blocks: [EncodedBlock] = []
    for piece in pieces {
      if piece.isStored {
        blocks.append(try store(UnsafeRawBufferPointer(rebasing: text[piece.range]), check: check))
      } else {
        var left = piece.range.count
        while left > 0, let block = compressed.popFirst() {
          left -= block.textCount
          blocks.append(block)
        }
      }
    }
    guard compressed.isEmpty, blocks.reduce(0, { $0 + $1.textCount }) == text.count else {
      throw XZError(.use, "liblzma did not encode all of its input")
    }
    return blocks
  }

  /// Splits the text into runs to compress and ranges to store, in order.
  private static func pieces(of count: Int, storing: [Range<Int>]) -> [(range: Range<Int>, isStored: Bool)] {
    var pieces: [(range: Range<Int>, isStored: Bool)] = []
    var position = 0
    func add(to end: Int, isStored: Bool) {
      if position < end { pieces.append((position..<end, isStored)) }
      position = max(position, end)
    }
    for range in storing {
      add(to: min(range.lowerBound, count), isStored: false)
      add(to: min(range.upperBound, count), isStored: true)
    }
    add(to: count, isStored: false)
    return pieces
  }

  /// Tries again on one thread, with the same result, if liblzma cannot start all threads or get memory for them.
  private static func compressOnFewerThreads(
    _ runs: [UnsafeRawBufferPointer], check: XZCheck, preset: UInt32, workers: Int
  ) throws -> [EncodedBlock] {
    do {
      return try compress(runs, check: check, preset: preset, workers: workers)
    } catch is XZError where workers > 1 {
      return try compress(runs, check: check, preset: preset, workers: 1)
    }
  }

  /// Compresses the runs to the blocks of a stream; each run starts a new block.
  private static func compress(
    _ runs: [UnsafeRawBufferPointer], check: XZCheck, preset: UInt32, workers: Int
  ) throws -> [EncodedBlock] {
    guard !runs.isEmpty else { return [] }
    var options = lzma_mt()
    options.threads = UInt32(clamping: max(1, workers))
    options.block_size = UInt64(pieceSize)
    options.preset = preset
    options.check = lzma_check(UInt32(check.rawValue))
    let coder = Coder()
    try coder.require(lzma_stream_encoder_mt(&coder.stream, &options), is: LZMA_OK, operation: "start encoding")
    var file: [UInt8] = []
    for (index, run) in runs.enumerated() {
      let action = index == runs.count - 1 ? LZMA_FINISH : LZMA_FULL_BARRIER
      try coder.code(run, action: action, operation: "encode") { file.append(contentsOf: $0) }
    }
    return try XZStream(parsing: file).blocks.map {
      EncodedBlock(
        bytes: Array(file[$0.range]), unpaddedSize: $0.unpaddedSize, textCount: $0.text.count, wasTranscoded: false)
    }
  }

  /// Stores `text` in one block of uncompressed chunks.
  private static func store(_ text: UnsafeRawBufferPointer, check: XZCheck) throws -> EncodedBlock {
    var block = lzma_block()
    block.check = lzma_check(UInt32(check.rawValue))
    var count = 0
    let bytes = try [UInt8](unsafeUninitializedCapacity: lzma_block_buffer_bound(text.count)) { buffer, initialized in
      let code = lzma_block_uncomp_encode(
        &block, text.bindMemory(to: UInt8.self).baseAddress, text.count, buffer.baseAddress, &count, buffer.count)
      guard code == LZMA_OK else { throw Coder.error("store \(text.count) bytes", code) }
      initialized = count
    }
    return EncodedBlock(
      bytes: bytes, unpaddedSize: Int(clamping: lzma_block_unpadded_size(&block)), textCount: text.count,
      wasTranscoded: false)
  }
}
