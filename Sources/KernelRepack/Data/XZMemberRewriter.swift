// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import DebianArchive
internal import HostSystem
internal import XZ

/// Creates a new xz member: copies the unchanged blocks and transcodes the others.
struct XZMemberRewriter {
  private let member: FileSlice
  /// Offset of the member in the package.
  private let start: Int
  private let stream: XZStream
  private let workers: Int
  private let spool: SpoolFile
  private let buffers: RecycledBuffers
  private var decoded: [Int: DecodedBlock] = [:]
  private var encoded: [Int: Encoded] = [:]
  /// All blocks before this one are encoded, or unchanged.
  private var settled = 0
  /// The number of blocks in `decoded` above which they are encoded, so that they need no more memory.
  private let greatestKept: Int

  /// The block or blocks that replace a block of the input.
  private struct Encoded {
    /// In the spool file.
    var range: Range<Int>
    /// Records of the index, one for each block.
    var records: [(unpaddedSize: Int, textCount: Int)]
    /// Whether a block was compressed again instead of transcoded.
    var fellBack: Bool
  }

  /// Reads the index of the stream at `range` of `package`.
  ///
  /// Throws `ParseError` if it is damaged or too large.
  init(_ package: any RandomAccessBytes, member range: Range<Int>, workers: Int, spool: SpoolFile) throws {
    member = FileSlice(package, range)
    start = range.lowerBound
    stream = try XZStream(parsing: member)
    self.workers = workers
    self.spool = spool
    buffers = RecycledBuffers(workers: workers)
    greatestKept = min(4, (96 << 20) / max(1, stream.greatestText))
    guard stream.textCount <= DataLimits.text(of: member.count) else { throw DataLimits.exceeded(by: stream.textCount) }
  }

  /// Reads the archive through `editor`, and encodes blocks as soon as their edits are known.
  ///
  /// Returns the offset at which an entry can be added.
  mutating func scan(_ editor: inout DataEditor) throws -> Int {
    // Files are added at the end, so the last block must wait.
    let last = stream.blocks.last?.text.lowerBound ?? 0
    for start in stride(from: 0, to: stream.blocks.count, by: workers) {
      let batch = start..<min(start + workers, stream.blocks.count)
      try decode(Array(batch))
      for index in batch { try decoded[index]?.withUnsafeBytes { try feed($0, to: &editor) } }
      try encode(editor.edits, storing: editor.images, upTo: min(editor.scan.settled, last))
      // Blocks of a file that is still incomplete, or after the last file: decoded again if they have edits.
      if decoded.count > greatestKept + workers { decoded = [:] }
    }
    return try editor.scan.finish()
  }

  /// Feeds a block in parts, so that files waiting to be signed need less memory than the block.
  private func feed(_ text: UnsafeRawBufferPointer, to editor: inout DataEditor) throws {
    let part = workers * (4 << 20)
    for start in stride(from: 0, to: text.count, by: part) {
      try editor.feed(UnsafeRawBufferPointer(rebasing: text[start..<min(start + part, text.count)]))
    }
  }

  /// Encodes the remaining blocks with edits and assembles the member.
  ///
  /// `edits` are all edits, including those of blocks already encoded; `incompressible` are ranges of the text that are
  /// stored uncompressed.
  mutating func finish(_ edits: [ByteEdit], storing incompressible: [Range<Int>] = []) throws -> RewrittenMember {
    try encode(edits, storing: incompressible, upTo: .max)
    var result = RewrittenMember()
    var index = XZIndexWriter(check: stream.check)
    result.pieces.append(.bytes(index.header))
    var copied: Range<Int>?
    for (number, block) in stream.blocks.enumerated() {
      if let new = encoded[number] {
        if let copied { result.pieces.append(.input(copied)) }
        copied = nil
        for record in new.records { index.add(unpaddedSize: record.unpaddedSize, textCount: record.textCount) }
        result.pieces.append(.spooled(new.range))
        result.fellBack = result.fellBack || new.fellBack
      } else {
        index.add(block)
        let range = start + block.range.lowerBound..<start + block.range.upperBound
        copied = (copied?.lowerBound ?? range.lowerBound)..<range.upperBound
      }
    }
    if let copied { result.pieces.append(.input(copied)) }
    result.pieces.append(.bytes(index.finish()))
    return result
  }

  private mutating func decode(_ indices: [Int]) throws {
    let (stream, member, buffers) = (stream, member, buffers)
    let blocks = try ParallelWork.map(indices.count, workers: workers) {
      try DecodedBlock(stream.blocks[indices[$0]], of: stream, from: member, buffers: buffers)
    }
    for (index, block) in zip(indices, blocks) { decoded[index] = block }
  }

  /// Encodes the blocks that have edits and end at `limit` or before, and frees all blocks up to there.
  private mutating func encode(_ edits: [ByteEdit], storing incompressible: [Range<Int>], upTo limit: Int) throws {
    let last = stream.blocks.count - 1
    var tasks: [(index: Int, edits: [ByteEdit])] = []
    while settled <= last, stream.blocks[settled].text.upperBound <= limit {
      let own = edits.within(stream.blocks[settled].text, isLast: settled == last)
      if own.isEmpty { decoded[settled] = nil } else { tasks.append((settled, own)) }
      settled += 1
    }
    try decode(tasks.map(\.index).filter { decoded[$0] == nil })
    let (texts, ready, blocks) = (decoded, tasks, stream.blocks)
    let threads = max(1, workers / max(1, tasks.count))
    let results = try ParallelWork.map(tasks.count, workers: workers) { number in
      let (index, edits) = ready[number]
      let storing = incompressible.filter { $0.overlaps(blocks[index].text) }
      let blocks = try texts[index]?.encode(
        applying: edits, verify: true, storing: storing, workers: threads)
      return blocks ?? []
    }
    for (task, blocks) in zip(tasks, results) {
      let start = spool.count
      for block in blocks { try spool.write(block.bytes) }
      encoded[task.index] = Encoded(
        range: start..<spool.count, records: blocks.map { ($0.unpaddedSize, $0.textCount) },
        fellBack: blocks.contains { !$0.wasTranscoded })
      self.decoded[task.index] = nil
    }
  }
}
