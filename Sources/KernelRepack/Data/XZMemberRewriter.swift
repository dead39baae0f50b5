// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import DebianArchive
internal import HostSystem
internal import XZ

/// Makes a new member of one in xz blocks: those without a changed byte are copied as they are.
struct XZMemberRewriter {
  private let member: FileSlice
  /// Of the member in the package.
  private let start: Int
  private let stream: XZStream
  private let workers: Int
  private let spool: SpoolFile
  private var decoded: [Int: DecodedBlock] = [:]
  private var encoded: [Int: Encoded] = [:]

  /// What stands in place of a block of the input.
  private struct Encoded {
    var range: Range<Int>
    var records: [(unpaddedSize: Int, textCount: Int)]
    var fellBack: Bool
  }

  init(_ package: any RandomAccessBytes, member range: Range<Int>, workers: Int, spool: SpoolFile) throws {
    member = FileSlice(package, range)
    start = range.lowerBound
    stream = try XZStream(parsing: member)
    self.workers = workers
    self.spool = spool
    guard stream.textCount <= DataLimits.text(of: member.count) else { throw DataLimits.error(stream.textCount) }
  }

  /// Looks at all of the archive, unless `images` says how many there are: then it stops behind the last of them and goes
  /// on with the archive's end. Returns the offset at which another entry can be put; `work.scan` has seen everything only
  /// if `work.scan.endOfArchive` is known.
  mutating func scan(_ work: inout DataWork, stoppingAfter images: Int?) throws -> Int {
    var next = 0
    while next < stream.blocks.count {
      if let images, images > 0, work.imageCount >= images, let end = try endByTail(work.sums, from: next) {
        return end
      }
      let batch = next..<min(next + (images == nil ? workers : 1), stream.blocks.count)
      try decode(Array(batch))
      for index in batch { try decoded[index]?.withUnsafeBytes { try feed($0, to: &work) } }
      next = batch.upperBound
      // Without a limit to the blocks, what is done with goes; otherwise they wait, to be encoded side by side.
      if images == nil || decoded.count > 4 { try encode(work.edits, storing: work.images, upTo: work.scan.settled) }
    }
    return try work.scan.finish()
  }

  /// A part at a time, so that files which wait to be signed do not take as much memory as the block again.
  private func feed(_ text: UnsafeRawBufferPointer, to work: inout DataWork) throws {
    let part = workers * (4 << 20)
    for start in stride(from: 0, to: text.count, by: part) {
      try work.feed(UnsafeRawBufferPointer(rebasing: text[start..<min(start + part, text.count)]))
      try work.signFiles()
    }
  }

  /// The end as the last blocks show it, at least one of which was not looked at yet; nil if they do not.
  private mutating func endByTail(_ sums: MD5Sums, from next: Int) throws -> Int? {
    let last = stream.blocks.count - 1
    let scan = TailScan(sums: sums)
    try decode([last].filter { decoded[$0] == nil })
    let end = decoded[last]?.withUnsafeBytes {
      scan.endOfArchive(in: $0, startingAt: stream.blocks[last].text.lowerBound)
    }
    if let end = end ?? nil { return end }
    // A last block that is short may hold no whole entry.
    guard last - 1 >= next else { return nil }
    try decode([last - 1].filter { decoded[$0] == nil })
    var text: [UInt8] = []
    for index in [last - 1, last] { decoded[index]?.withUnsafeBytes { text.append(contentsOf: $0) } }
    return text.withUnsafeBytes {
      scan.endOfArchive(in: $0, startingAt: stream.blocks[last - 1].text.lowerBound)
    }
  }

  /// Encodes what is left to be, and puts the member together. `edits` are all there are, those of blocks that were
  /// encoded before included; `incompressible` are ranges of the text.
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
    let (stream, member) = (stream, member)
    let blocks = try ParallelWork.map(indices.count, workers: workers) {
      try DecodedBlock(stream.blocks[indices[$0]], of: stream, from: member)
    }
    for (index, block) in zip(indices, blocks) { decoded[index] = block }
  }

  /// Encodes the blocks that end at `limit` or before and have edits, and lets go of all that do.
  private mutating func encode(_ edits: [ByteEdit], storing incompressible: [Range<Int>], upTo limit: Int) throws {
    let last = stream.blocks.count - 1
    var tasks: [(index: Int, edits: [ByteEdit])] = []
    for (index, block) in stream.blocks.enumerated() where block.text.upperBound <= limit && encoded[index] == nil {
      let own = edits.within(block.text, isLast: index == last)
      if own.isEmpty { decoded[index] = nil } else { tasks.append((index, own)) }
    }
    try decode(tasks.map(\.index).filter { decoded[$0] == nil })
    let (texts, ready) = (decoded, tasks)
    let threads = max(1, workers / max(1, tasks.count))
    let results = try ParallelWork.map(tasks.count, workers: workers) { number in
      let blocks = try texts[ready[number].index]?.encode(
        applying: ready[number].edits, verify: true, storing: incompressible, workers: threads)
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

extension [ByteEdit] {
  /// The edits of one block's text: what crosses its borders is cut, and what is put in belongs to the block in which it
  /// begins.
  func within(_ text: Range<Int>, isLast: Bool) -> [ByteEdit] {
    compactMap { edit in
      let begins = text.contains(edit.range.lowerBound) || (isLast && edit.range.lowerBound == text.upperBound)
      if edit.range.isEmpty { return begins ? edit : nil }
      let range = edit.range.clamped(to: text)
      guard begins || !range.isEmpty else { return nil }
      return ByteEdit(range: range, replacement: begins ? edit.replacement : [])
    }
  }
}
