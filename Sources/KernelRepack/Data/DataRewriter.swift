// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Compression
internal import DebianArchive
internal import HostSystem
internal import XZ

/// Creates the new data member: transcodes xz blocks where possible, and otherwise compresses all data again.
///
/// Blocks that are too large to be kept in memory are not transcoded: `xz -T1` and `dpkg-deb -z9` make such blocks.
struct DataRewriter {
  let options: Repack
  let input: PackageInput
  let workers: Int
  let spool: SpoolFile
  let memory: RepackMemory

  struct Result {
    var member: RewrittenMember
    var compression: MemberCompression
    var packing: PackageReport.Packing
    var provenance: AddedFiles?
  }

  /// Reads the whole archive through an editor and applies its edits.
  ///
  /// Any part of the archive can contain another image, so none is skipped. `makeEditor` gets the files that only a
  /// link's name shows to be kernel files; they are known after the first reading, and cause a second one. Calls
  /// `addFiles` when everything is signed, with the offset at which entries can be added.
  func run(
    _ makeEditor: ([ArchivePath: Alias]) -> DataEditor,
    addFiles: (inout DataEditor, Int) throws -> AddedFiles?
  ) throws -> (result: Result, editor: DataEditor) {
    let archive = input.layout.data
    let wanted = options.compression.member ?? archive.compression
    guard archive.compression == .xz, wanted == .xz, !options.recompresses else {
      return try stream(makeEditor, as: wanted, addFiles: addFiles)
    }
    let greatest = try XZStream(parsing: FileSlice(input.file, archive.member.contentRange)).greatestText
    guard greatest <= DecodedBlock.greatestText else {
      return try stream(makeEditor, as: wanted, addFiles: addFiles)
    }
    let workers = memory.workers(workers, forBlocksOf: greatest)
    return try memory.reservingBlocks(workers, of: greatest) {
      func newRewriter() throws -> XZMemberRewriter {
        try XZMemberRewriter(input.file, member: archive.member.contentRange, workers: workers, spool: spool)
      }
      var rewriter = try newRewriter()
      var (editor, end) = try read(makeEditor) { editor in
        rewriter = try newRewriter()
        return try rewriter.scan(&editor)
      }
      let added = try addFiles(&editor, end)
      let member = try rewriter.finish(editor.edits, storing: editor.images)
      let packing = member.fellBack ? PackageReport.Packing.blocks : .transcoded
      return (Result(member: member, compression: .xz, packing: packing, provenance: added), editor)
    }
  }

  /// Unpacks the archive twice, to read it and to compress it again.
  private func stream(
    _ makeEditor: ([ArchivePath: Alias]) -> DataEditor, as compression: MemberCompression,
    addFiles: (inout DataEditor, Int) throws -> AddedFiles?
  ) throws -> (result: Result, editor: DataEditor) {
    let archive = input.layout.data
    return try memory.reservingBlocks(workers, of: MemberPacker.blockSize) {
      let rewriter = StreamDataRewriter(
        input.file, member: archive.member.contentRange, isCompressed: archive.compression != .none)
      var (editor, end) = try read(makeEditor) { try rewriter.scan(&$0) }
      let added = try addFiles(&editor, end)
      let member = try rewriter.finish(editor, as: compression, workers: workers, to: spool)
      return (Result(member: member, compression: compression, packing: .whole, provenance: added), editor)
    }
  }

  /// Returns the editor that has read the archive with all its aliases, and the offset at which entries can be added.
  private func read(
    _ makeEditor: ([ArchivePath: Alias]) -> DataEditor, scan: (inout DataEditor) throws -> Int
  ) throws -> (DataEditor, Int) {
    var editor = makeEditor([:])
    var end = try scan(&editor)
    let aliases = editor.scan.missedAliases
    if !aliases.isEmpty {
      editor = makeEditor(aliases)
      end = try scan(&editor)
    }
    try editor.settleLinks()
    return (editor, end)
  }
}

extension OutputCompression {
  /// Nil for the input's compression.
  fileprivate var member: MemberCompression? {
    switch self {
    case .keep: nil
    case .xz: .xz
    case .zstd: .zstd
    case .gzip: .gzip
    case .none: MemberCompression.none
    }
  }
}

/// Creates a new data member by unpacking the old one and compressing it again: for compressions without blocks, and if
/// the compression changes.
///
/// Reads the member twice, so that memory use does not grow with its size.
private struct StreamDataRewriter {
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

  /// Reads the whole archive.
  ///
  /// Returns the offset at which an entry can be added.
  func scan(_ editor: inout DataEditor) throws -> Int {
    try forEachChunk { try editor.feed($0) }
    return try editor.scan.finish()
  }

  /// Compresses the edited archive.
  func finish(
    _ editor: DataEditor, as compression: MemberCompression, workers: Int, to spool: SpoolFile
  ) throws -> RewrittenMember {
    var result = RewrittenMember()
    try result.spool(to: spool) { file in
      let packer = try MemberPacker(compression, to: file, workers: workers)
      var stream = StreamEditor(editor.edits)
      try forEachChunk { try stream.pass($0) { try packer.write($0) } }
      try stream.finish { try packer.write($0) }
      try packer.finish()
    }
    return result
  }
}
