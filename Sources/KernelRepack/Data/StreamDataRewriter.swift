// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Compression
internal import DebianArchive
internal import HostSystem

/// Makes a new data member by unpacking all of the old one and packing it again: for compressions that have no blocks, and
/// where another one is wanted. Reads the member twice, so that memory does not grow with it.
struct StreamDataRewriter {
  private let member: FileSlice
  private let isCompressed: Bool

  init(_ package: any RandomAccessBytes, member range: Range<Int>, isCompressed: Bool) {
    member = FileSlice(package, range)
    self.isCompressed = isCompressed
  }

  private func forEachChunk(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    if isCompressed {
      try CompressedStream(member).forEachChunk(limit: DataLimits.text(of: member.count), body)
    } else {
      try TransferBuffer().forEachChunk(of: member, in: 0..<member.count, body)
    }
  }

  /// Looks at all of the archive. Returns the offset at which another entry can be put.
  func scan(_ work: inout DataWork) throws -> Int {
    try forEachChunk { chunk in
      try work.feed(chunk)
      try work.signFiles()
    }
    return try work.scan.finish()
  }

  /// Packs the archive with the edits of `work` again.
  func finish(_ work: DataWork, as compression: MemberCompression, workers: Int, to spool: SpoolFile) throws
    -> RewrittenMember
  {
    var result = RewrittenMember()
    try result.spool(to: spool) { file in
      let packer = try MemberPacker(compression, to: file, workers: workers)
      var editor = StreamEditor(work.edits)
      try forEachChunk { try editor.pass($0) { try packer.write($0) } }
      try editor.finish { try packer.write($0) }
      try packer.finish()
    }
    return result
  }
}

/// Applies edits to a text that goes by.
struct StreamEditor {
  private var edits: ArraySlice<ByteEdit>
  private var offset = 0

  /// `edits` are in order.
  init(_ edits: [ByteEdit]) { self.edits = edits[...] }

  /// Hands on what becomes of the next bytes.
  mutating func pass(_ chunk: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    let end = offset + chunk.count
    var position = 0
    while let edit = edits.first, edit.range.lowerBound < end {
      let start = max(edit.range.lowerBound - offset, position)
      try body(UnsafeRawBufferPointer(rebasing: chunk[position..<start]))
      if edit.range.lowerBound >= offset + position { try edit.replacement.withUnsafeBytes(body) }
      position = min(edit.range.upperBound - offset, chunk.count)
      guard edit.range.upperBound <= end else { break }
      edits.removeFirst()
    }
    try body(UnsafeRawBufferPointer(rebasing: chunk[position...]))
    offset = end
  }

  /// Hands on what is put in at the end.
  mutating func finish(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    while let edit = edits.popFirst() {
      if edit.range.lowerBound >= offset { try edit.replacement.withUnsafeBytes(body) }
    }
  }
}
