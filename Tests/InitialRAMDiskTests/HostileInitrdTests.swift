// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import InitialRAMDisk
import Messages
import TestSupport
import Testing

@Suite struct HostileInitrdTests {
  private typealias Member = RAMDiskBytes.Member
  private static let archive = RAMDiskBytes.archive([
    .directory("a"), Member("a/init", "content"), .link("b", to: "a"), Member("c"),
  ])

  @Test func everyPrefixIsAnErrorOrAShorterList() throws {
    for count in 0..<Self.archive.count {
      guard let found = try? members(of: Array(Self.archive.prefix(count))) else { continue }
      #expect(found.count <= 4)
    }
    // Within a header, a name, a content.
    for count in [1, 109, 111, 230, 245] {
      #expect(failure(of: Array(Self.archive.prefix(count)))?.rule == .truncated, "\(count)")
    }
  }

  @Test(arguments: ["gzip", "bzip2", "xz --check=crc32", "lzma", "lz4 -l", "zstd"])
  func everyPrefixOfACompressedArchiveIsAnError(_ tool: String) throws {
    let packed = try RAMDiskScene.packed(Self.archive, tool)
    for count in 2..<packed.count - 4 { #expect(failure(of: Array(packed.prefix(count))) != nil, "\(count)") }
  }

  @Test(arguments: [nil, "gzip", "bzip2", "xz --check=crc32", "lzma", "lz4 -l", "zstd"] as [String?])
  func damageIsAnErrorOrAnotherList(_ tool: String?) throws {
    let bytes = try tool.map { try RAMDiskScene.packed(Self.archive, $0) } ?? Self.archive
    for variant in Mutations(of: bytes, count: 1000) { _ = failure(of: variant) }
  }

  @Test func sizesOf4GiBAreTruncatedNotAllocated() {
    var large = Member("a", "x")
    large.contentSize = 0xffff_ffff
    #expect(failure(of: RAMDiskBytes.archive([large]))?.rule == .truncated)
    var named = Member("a", "x")
    named.nameSize = 0xffff_ffff
    #expect(failure(of: RAMDiskBytes.archive([named]))?.rule == .truncated)
    // The content is skipped, not kept.
    let limits = InitialRAMDisk.Limits(bytes: 1 << 20)
    let zeros = SparseBytes(RAMDiskBytes.archive([large], hasTrailer: false), count: 1 << 32)
    #expect(failure(of: zeros, limits: limits)?.rule == .limit)
  }

  @Test(arguments: ["gzip", "xz", "zstd", "lz4 -l", "bzip2"]) func aBombStopsAtTheLimit(_ tool: String) throws {
    var zeros = Member("zeros")
    zeros.content = [UInt8](repeating: 0, count: 1 << 24)
    let packed = try RAMDiskScene.packed(RAMDiskBytes.archive([zeros]), tool)
    #expect(packed.count < 1 << 20)
    #expect(try members(of: packed).count == 1)
    #expect(failure(of: packed, limits: InitialRAMDisk.Limits(bytes: 1 << 23))?.rule == .limit)
    // The limit is for all archives together.
    #expect(failure(of: packed + [0, 0, 0, 0] + packed, limits: InitialRAMDisk.Limits(bytes: 3 << 23))?.rule == .limit)
  }

  @Test func tooManyMembersAndSegmentsStopTheListing() throws {
    let many = RAMDiskBytes.archive((0..<100).map { Member("\($0)") })
    #expect(try members(of: many, limits: InitialRAMDisk.Limits(members: 100)).count == 100)
    #expect(failure(of: many, limits: InitialRAMDisk.Limits(members: 99))?.rule == .limit)
    // LZ4 streams with padding are one segment each.
    let one = try RAMDiskScene.packed(RAMDiskBytes.archive([]), "zstd")
    let segments = [[UInt8]](repeating: one, count: 20).flatMap { $0 }
    #expect(try members(of: segments, limits: InitialRAMDisk.Limits(segments: 20)).isEmpty)
    #expect(failure(of: segments, limits: InitialRAMDisk.Limits(segments: 19))?.rule == .limit)
  }

  @Test func aListingThatTakesTooLongStops() throws {
    var calls = 0
    let initrd = InitialRAMDisk(Self.archive) {
      calls += 1
      return true
    }
    let error = thrown(ParseError.self) { try initrd.forEachMember { _ in Issue.record("a member was listed") } }
    #expect(error?.rule == .limit && calls == 1)
  }

  private struct Broken: Error {}
  private struct BrokenBytes: RandomAccessBytes {
    let count = 4096
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws { throw Broken() }
  }

  @Test func errorsOfTheSourceAndTheCallerArePropagated() throws {
    #expect(thrown(Broken.self) { _ = try members(of: BrokenBytes()) } != nil)
    for bytes in [Self.archive, try RAMDiskScene.packed(Self.archive, "zstd")] {
      #expect(thrown(Broken.self) { try InitialRAMDisk(bytes).forEachMember { _ in throw Broken() } } != nil)
    }
  }
}
