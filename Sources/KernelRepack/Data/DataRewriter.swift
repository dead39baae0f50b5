// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import DebianArchive
internal import HostSystem

/// Makes the new data member, in the way that costs least.
struct DataRewriter {
  let options: Repack
  let input: PackageInput
  let workers: Int
  let spool: SpoolFile

  struct Result {
    var member: RewrittenMember
    var compression: MemberCompression
    var packing: PackageReport.Packing
    var provenance: AddedFiles?
  }

  /// `complete` is called when everything was signed, with the offset at which files can be added.
  func run(_ work: inout DataWork, complete: (inout DataWork, Int) throws -> AddedFiles?) throws -> Result {
    let archive = input.layout.data
    let wanted = options.compression.member ?? archive.compression
    guard archive.compression == .xz, wanted == .xz, !options.recompresses else {
      let rewriter = StreamDataRewriter(
        input.file, member: archive.member.contentRange, isCompressed: archive.compression != .none)
      let end = try rewriter.scan(&work)
      let added = try complete(&work, end)
      let member = try rewriter.finish(work, as: wanted, workers: workers, to: spool)
      return Result(member: member, compression: wanted, packing: .whole, provenance: added)
    }
    var rewriter = try XZMemberRewriter(
      input.file, member: archive.member.contentRange, workers: workers, spool: spool)
    let end = try rewriter.scan(&work, stoppingAfter: expectedImages(work))
    let added = try complete(&work, end)
    let member = try rewriter.finish(work.edits, storing: work.images)
    return Result(
      member: member, compression: .xz, packing: member.fellBack ? .blocks : .transcoded, provenance: added)
  }

  /// How many images there are, if the list of files says it and nothing else has to be looked at.
  private func expectedImages(_ work: DataWork) -> Int? {
    guard options.modules == .none, !options.checksContents, !work.name.isRenamed,
      ProvenanceWriter.hasDirectory(of: work.name.new, in: work.sums)
    else { return nil }
    return work.sums.paths.filter { KernelFiles.interest(in: $0, modules: .none) == .image }.count
  }
}

extension OutputCompression {
  /// Nil keeps what there is.
  var member: MemberCompression? {
    switch self {
    case .keep: nil
    case .xz: .xz
    case .zstd: .zstd
    case .gzip: .gzip
    case .none: MemberCompression.none
    }
  }
}
