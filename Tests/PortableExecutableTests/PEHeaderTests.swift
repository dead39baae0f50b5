// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Messages
import PortableExecutable
import TestSupport
import Testing

@Suite struct PEHeaderTests {
  @Test(arguments: Fixture.forAMD64) func sectionsMatchObjdump(_ fixture: Fixture) throws {
    let header = try PEHeader(parsing: try fixture.bytes())
    let listing = String(decoding: try ExternalTool("objdump").run(["-h", "-w", fixture.path]), as: UTF8.self)
    let rows = listing.split(separator: "\n").map { $0.split(separator: " ") }.filter { Int($0.first ?? "") != nil }
    let expected = rows.map { "\($0[1]) \(Int($0[2], radix: 16) ?? -1) \(Int($0[5], radix: 16) ?? -1)" }
    // objdump shows the smaller of both sizes for sections with bytes in the file.
    let found = header.sections.map { "\($0.name) \(min($0.rawSize, $0.virtualSize)) \($0.rawPointer)" }
    #expect(found == expected)
    #expect(header.machine == .amd64)
  }

  @Test(.enabled(if: SlowTests.run), arguments: Fixture.stubs) func everyPrefixIsAnError(_ fixture: Fixture) throws {
    let bytes = try fixture.bytes()
    let header = try PEHeader(parsing: bytes)
    for count in 0..<header.endOfSections {
      #expect(throws: ParseError.self) { try PEHeader(parsing: Array(bytes[..<count])) }
    }
  }

  @Test(arguments: Fixture.allCases) func damagedHeadersNeverCrash(_ fixture: Fixture) throws {
    let bytes = try fixture.bytes()
    let header = try PEHeader(parsing: bytes)
    let rest = Array(bytes[header.sizeOfHeaders...].prefix(4096))
    for mutation in Mutations(of: header.bytes, count: 5_000) {
      // A short tail: most of these need more bytes than that, like a truncated file.
      guard let parsed = try? PEHeader(parsing: mutation + rest) else { continue }
      _ = parsed.digestRanges
      _ = try? CertificateTable(of: parsed, in: mutation + rest)
      _ = try? ImageLayout(base: parsed, adding: [AddedSection(name: ".x", size: 10)])
    }
  }

  /// Each damage with the rule that must detect it.
  @Test(arguments: [
    (0, UInt8(0), ParseError.Rule.magic), (0x40, 0, .magic), (0x3c, 0x41, .range), (0x3f, 0x7f, .range),
    (0x46, 0, .range), (0x58, 0, .unsupported), (0x7b, 0x7f, .range), (0x78, 0x01, .range),
  ])
  func invalidFieldsAreRejected(_ offset: Int, _ value: UInt8, _ rule: ParseError.Rule) throws {
    var bytes = try Fixture.stub257.bytes()
    bytes[offset] = value
    let error = thrown(ParseError.self) { try PEHeader(parsing: bytes) }
    #expect(error?.rule == rule, "\(String(describing: error))")
  }

  /// A sparse file is created instantly, but hashing it would take days.
  @Test func imagesOfFourGiBAreRejected() throws {
    let stub = try Fixture.stub257.bytes()
    #expect(throws: Never.self) { try PEHeader(parsing: SparseBytes(stub, count: 0xffff_ffff)) }
    let error = thrown(ParseError.self) { try PEHeader(parsing: SparseBytes(stub, count: 0x1_0000_0000)) }
    #expect(error?.rule == .range)
  }

  /// Subsystem, machine, SizeOfImage: firmware does not start the image, signed or not.
  @Test(arguments: [(68, UInt8(3)), (-20, 0x65), (58, 0), (57, 0x10)])
  func imagesThatFirmwareDoesNotStartAreRejected(_ offset: Int, _ value: UInt8) throws {
    var bytes = try Fixture.stub257.bytes()
    let header = try PEHeader(parsing: bytes)
    #expect(throws: Never.self) { try header.requireStartable() }
    bytes[header.optionalHeaderOffset + offset] = value
    let damaged = try PEHeader(parsing: bytes)
    #expect(throws: ParseError.self) { try damaged.requireStartable() }
  }

  @Test func overlappingSectionsAreRejected() throws {
    var bytes = try Fixture.stub257.bytes()
    let header = try PEHeader(parsing: bytes)
    // Gives the second section the file offset of the first.
    let entry = header.sectionTableOffset + SectionHeader.size
    let first = header.sectionTableOffset + 20
    bytes.replaceSubrange(entry + 20..<entry + 24, with: bytes[first..<first + 4])
    let error = thrown(ParseError.self) { try PEHeader(parsing: bytes) }
    #expect(error?.rule == .overlap)
  }

  @Test func sectionsOverlappingInMemoryAreRejectedForBuilding() throws {
    var bytes = try Fixture.stub257.bytes()
    let header = try PEHeader(parsing: bytes)
    let entry = header.sectionTableOffset + SectionHeader.size
    bytes[entry + 13] = 0x10  // .rodata to 0x1000, where .text is
    bytes[entry + 14] = 0
    let damaged = try PEHeader(parsing: bytes)
    #expect(throws: ParseError.self) { try damaged.requireSeparateMemory() }
    #expect(throws: Never.self) { try header.requireSeparateMemory() }
  }
}
