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

  /// Reads the archive through `editor` and applies its edits.
  ///
  /// Calls `addFiles` when everything is signed, with the offset at which entries can be added.
  func run(_ editor: inout DataEditor, addFiles: (inout DataEditor, Int) throws -> AddedFiles?) throws -> Result {
    let archive = input.layout.data
    let wanted = options.compression.member ?? archive.compression
    guard archive.compression == .xz, wanted == .xz, !options.recompresses else {
      return try stream(&editor, as: wanted, addFiles: addFiles)
    }
    let greatest = try XZStream(parsing: FileSlice(input.file, archive.member.contentRange)).greatestText
    guard greatest <= DecodedBlock.greatestText else { return try stream(&editor, as: wanted, addFiles: addFiles) }
    let workers = memory.workers(workers, forBlocksOf: greatest)
    return try memory.reservingBlocks(workers, of: greatest) {
      var rewriter = try XZMemberRewriter(
        input.file, member: archive.member.contentRange, workers: workers, spool: spool)
      let end = try rewriter.scan(&editor, stoppingAfter: expectedImageCount(editor))
      let added = try addFiles(&editor, end)
      let member = try rewriter.finish(editor.edits, storing: editor.images)
      return Result(
        member: member, compression: .xz, packing: member.fellBack ? .blocks : .transcoded, provenance: added)
    }
  }

  /// Unpacks the archive twice, to read it and to compress it again.
  private func stream(
    _ editor: inout DataEditor, as compression: MemberCompression,
    addFiles: (inout DataEditor, Int) throws -> AddedFiles?
  ) throws -> Result {
    let archive = input.layout.data
    return try memory.reservingBlocks(workers, of: MemberPacker.blockSize) {
      let rewriter = StreamDataRewriter(
        input.file, member: archive.member.contentRange, isCompressed: archive.compression != .none)
      let end = try rewriter.scan(&editor)
      let added = try addFiles(&editor, end)
      let member = try rewriter.finish(editor, as: compression, workers: workers, to: spool)
      return Result(member: member, compression: compression, packing: .whole, provenance: added)
    }
  }

  /// The number of images according to md5sums; nil if the whole archive has to be read anyway.
  private func expectedImageCount(_ editor: DataEditor) -> Int? {
    guard options.modules == .none, !options.checksContents, !editor.name.isRenamed,
      ProvenanceWriter.hasDirectory(of: editor.name.new, in: editor.sums)
    else { return nil }
    return editor.sums.paths.filter { KernelFiles.kind(of: $0, modules: .none) == .image }.count
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
