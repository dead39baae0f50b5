// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Messages
import PortableExecutable
import TestSupport
import Testing

@Suite struct ImageLayoutTests {
  /// Stub 252 has room for seven section headers; the eighth moves everything.
  @Test(arguments: [(Fixture.stub252, 7, 0x400), (.stub252, 8, 0x600), (.stub257, 24, 0x600), (.stub257, 25, 0x800)])
  func headersGrowWithTheSectionTable(_ stub: Fixture, _ count: Int, _ size: Int) throws {
    let base = try PEHeader(parsing: try stub.bytes())
    let layout = try ImageLayout(base: base, adding: (0..<count).map { AddedSection(name: ".s\($0)", size: 100) })
    #expect(layout.header.count == size)
    #expect(layout.pieces.first?.section.rawPointer == UInt32(size))
  }

  @Test func headersCannotGrowIntoTheFirstSection() throws {
    let base = try PEHeader(parsing: try Fixture.stub257.bytes())
    let error = thrown(LayoutError.self) {
      try ImageLayout(base: base, adding: (0..<90).map { AddedSection(name: ".s\($0)", size: 1) })
    }
    #expect(error?.rule == .headerRoom)
  }

  /// More sections than their 16-bit count allows, on a base with room for them.
  @Test func headersStayWithinTheirSizeLimit() throws {
    var bytes = try Fixture.stub257.bytes()
    let stub = try PEHeader(parsing: bytes)
    for index in stub.sections.indices { bytes[stub.sectionTableOffset + index * SectionHeader.size + 15] = 1 }
    let base = try PEHeader(parsing: bytes)
    let error = thrown(LayoutError.self) {
      try ImageLayout(base: base, adding: (0..<65_536).map { AddedSection(name: ".\($0)", size: 1) })
    }
    #expect(error?.rule == .headerRoom)
  }

  @Test func sectionsTooLargeForTheFormatAreRejected() throws {
    let base = try PEHeader(parsing: try Fixture.stub257.bytes())
    for size in [1 << 32, Int.max, Int(UInt32.max)] {
      let error = thrown(LayoutError.self) {
        try ImageLayout(base: base, adding: [AddedSection(name: ".big", size: size)])
      }
      #expect(error?.rule == .size)
    }
  }

  @Test(arguments: ["", ".toolongname", ".text", ".a\0b"]) func invalidSectionNamesAreRejected(_ name: String) throws {
    let base = try PEHeader(parsing: try Fixture.stub257.bytes())
    let error = thrown(LayoutError.self) {
      try ImageLayout(base: base, adding: [AddedSection(name: name, size: 1)])
    }
    #expect(error?.rule == .name)
  }

  @Test func aSectionGrowsOnlyUpToTheNextOne() throws {
    let base = try PEHeader(parsing: try Fixture.stub252.bytes())
    #expect(throws: Never.self) { try ImageLayout(base: base, replacements: [".sbat": 0x100], adding: []) }
    let error = thrown(LayoutError.self) {
      try ImageLayout(base: base, replacements: [".sbat": 0x101], adding: [])
    }
    #expect(error?.rule == .sectionRoom)
  }

  /// Headers written in assembly, as in Debian 12's stub for arm64, have no-operations after the section table.
  @Test func noOperationsAfterTheSectionTableAreReplaced() throws {
    let whole = try Fixture.stub252ForARM64.bytes()
    let stub = Array(whole[..<(try PEHeader(parsing: whole).endOfSections)])
    func layout(_ change: (inout [UInt8], Int) -> Void) throws -> ImageLayout {
      var bytes = stub
      let header = try PEHeader(parsing: stub)
      change(&bytes, header.sectionTableOffset + header.sections.count * SectionHeader.size)
      return try ImageLayout(base: try PEHeader(parsing: bytes), adding: [AddedSection(name: ".x", size: 1)])
    }
    let header = try layout { bytes, end in #expect(bytes[end..<end + 4] == [0x1f, 0x20, 0x03, 0xd5]) }.header
    #expect(header.count == 0x1000 && header.suffix(0x1000 - 0x170).allSatisfy { $0 == 0 })
    let zeros = try layout { bytes, end in
      for index in end..<0x1000 { bytes[index] = 0 }
    }
    #expect(zeros.header == header)
    for change: (inout [UInt8], Int) -> Void in [
      { bytes, end in bytes[end] = 0 }, { bytes, _ in bytes[0xfff] = 0 }, { bytes, end in bytes[end + 7] ^= 1 },
      // For x86-64, they mean something else.
      { bytes, _ in bytes.replaceSubrange(0x44..<0x46, with: [0x64, 0x86]) },
    ] {
      #expect(thrown(LayoutError.self) { _ = try layout(change) }?.rule == .unsupported)
    }
  }

  @Test func aSignedImageIsRejectedAsABase() throws {
    let kernel = try PEHeader(parsing: try Fixture.kernel61.bytes())
    try #require(kernel.certificateTableRange != nil)
    let error = thrown(LayoutError.self) { try ImageLayout(base: kernel, adding: []) }
    #expect(error?.rule == .unsupported)
  }
}
