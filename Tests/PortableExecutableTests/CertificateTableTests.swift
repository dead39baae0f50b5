// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Messages
import PortableExecutable
import TestSupport
import Testing

@Suite struct CertificateTableTests {
  typealias Bytes = CertificateTableBytes

  static let pkcs = Bytes.entry([1, 2, 3, 4, 5])
  static let x509 = Bytes.entry([6, 7, 8], type: 0x0001)
  static let pkcs1 = Bytes.entry([6, 7, 8], type: 0x0ef0)

  /// A table, the number of entries that are read, whether EDK2 finds its end, and the number of signatures that shim
  /// tries: nil if it rejects the image.
  @Test(
    arguments: [
      ([], 0, true, 0),
      (pkcs, 1, true, 1),
      (pkcs + pkcs, 2, true, 2),
      // Other types are skipped by both.
      (x509 + pkcs + pkcs1, 3, true, 1),
      (Bytes.entry([UInt8](repeating: 1, count: 24), type: 0x0ef1) + pkcs, 2, true, 1),
      (Bytes.entry([1], type: 0x1234, revision: 0x100), 1, true, 0),
      // The last entry is not padded: shim does not mind.
      (pkcs + Bytes.entry([1, 2, 3, 4], padded: false), 2, false, 2),
      // Up to 8 bytes of zeros after the last entry, as linkers may leave.
      (pkcs + [0], 1, false, nil),
      (pkcs + [UInt8](repeating: 0, count: 8), 1, false, nil),
      (pkcs + [UInt8](repeating: 0, count: 16), 1, false, nil),
      // An entry that is longer than the table, also after a good one.
      (Bytes.entry([1, 2, 3], length: 17), 0, false, nil),
      (pkcs + Bytes.entry([1, 2, 3], length: 0x7fff_ffff), 1, false, nil),
      (pkcs + Bytes.entry([1, 2, 3], length: 7) + pkcs, 1, false, nil),
      // Too short for its type: EDK2 stops, shim continues.
      (Bytes.entry([]) + pkcs, 2, false, 2),
      (Bytes.entry([UInt8](repeating: 1, count: 16), type: 0x0ef1) + pkcs, 2, false, 1),
      (pkcs + Bytes.entry([], type: 0x0001) + pkcs, 3, true, 2),
      // EDK2 needs more than 8 bytes for the last entry; shim reads 12.
      (pkcs + Bytes.entry([], type: 0x0001), 2, false, nil),
      (pkcs + Bytes.entry([1, 2, 3], padded: false), 2, false, nil),
    ] as [([UInt8], Int, Bool, Int?)])
  func eachWalkEndsAsDocumented(table: [UInt8], count: Int, isExact: Bool, shim: Int?) {
    let read = CertificateTable(parsing: table, at: 0x1000)
    #expect(read.entries.count == count)
    #expect(read.endsExactly == isExact)
    #expect((read.defect == nil) == isExact)
    #expect(read.shimEntries?.count == shim)
    #expect(read.entries.allSatisfy { $0.offset >= 0x1000 && $0.offset.isMultiple(of: 8) })
    if isExact { #expect(read.serialized == table) }
  }

  /// The GUID is EFI_CERT_TYPE_PKCS7_GUID of UEFI 2.10.
  @Test func signedDataIsFoundInBothTypes() throws {
    let guid = try #require(GUID("4aafd29d-68df-49ee-8aa9-347d375665a7"))
    let other = try #require(GUID("a7717414-c616-4977-9420-844712a735bf"))
    let table =
      Bytes.entry([1, 2]) + Bytes.entry(guid.bytes + [3, 4], type: 0x0ef1)
      + Bytes.entry(other.bytes + [5, 6], type: 0x0ef1) + Self.x509 + Self.pkcs1
    let read = CertificateTable(parsing: table, at: 0)
    #expect(read.entries.map(\.signedData) == [[1, 2], [3, 4], nil, nil, nil])
  }

  /// The loops of both programs, written as in their sources, on two thousand damaged tables.
  @Test func theWalksAgreeWithTheSources() {
    let table = Self.x509 + Self.pkcs + Bytes.entry([UInt8](repeating: 1, count: 40), type: 0x0ef1) + Self.pkcs
    var results: Set<[Bool]> = []
    for mutation in Mutations(of: table, count: 20_000) {
      let read = CertificateTable(parsing: mutation, at: 64)
      #expect(read.endsExactly == Self.edk2EndsExactly(mutation), "\(mutation)")
      #expect(read.shimEntries?.count == Self.shimSignatures(mutation), "\(mutation)")
      results.insert([read.endsExactly, read.shimEntries != nil])
    }
    #expect(results == [[true, true], [false, true], [false, false]], "EDK2 accepts no table that shim rejects")
  }

  private static func integer(_ table: [UInt8], _ offset: Int, _ width: Int) -> Int {
    (0..<width).reduce(0) { $0 | Int(offset + $1 < table.count ? table[offset + $1] : 0) << (8 * $1) }
  }

  private static func edk2EndsExactly(_ table: [UInt8]) -> Bool {
    var offset = 0
    walk: while offset < table.count {
      let left = table.count - offset
      if left <= 8 { break }
      let length = integer(table, offset, 4)
      let aligned = (length + 7) & ~7
      if left < length || left < aligned { break }
      switch integer(table, offset + 6, 2) {
      case 2: if length <= 8 { break walk }
      case 0x0ef1: if length <= 24 { break walk }
      default: if length < 8 { break walk }
      }
      offset += aligned
    }
    return offset == table.count
  }

  private static func shimSignatures(_ table: [UInt8]) -> Int? {
    var offset = 0
    var count = 0
    repeat {
      if offset >= table.count { break }
      if offset + 12 > table.count { return nil }
      let length = integer(table, offset, 4)
      if length > table.count - offset || length < 8 { return nil }
      if integer(table, offset + 6, 2) == 2 { count += 1 }
      offset = (offset + length + 7) & ~7
    } while offset < table.count
    return count
  }

  @Test func hugeTablesAreReadInPart() throws {
    let many = [UInt8]((0..<1000).flatMap { _ in Self.pkcs })
    let read = CertificateTable(parsing: many, at: 0)
    #expect(read.entries.count == CertificateTable.entryLimit && !read.endsExactly && read.shimEntries == nil)
    let stub = try Fixture.stub257.bytes()
    let bytes = Bytes.image(stub, Bytes.entry([UInt8](repeating: 0, count: 2 << 20)))
    let table = try CertificateTable(of: try PEHeader(parsing: bytes), in: bytes)
    #expect(table.entries.isEmpty && !table.endsExactly && table.shimEntries == nil)
    #expect(table.defect?.rule == .range)
  }

  /// For replacing signatures, the table's size does not matter; a table inside a section is an error anyway.
  @Test func headersCanBeReadWithoutTheTable() throws {
    let stub = try Fixture.stub257.bytes()
    for size in [1, 8, 24, 1 << 20, Int(UInt32.max)] {
      let bytes = Bytes.image(stub, Self.pkcs, size: size)
      let header = try PEHeader(parsing: bytes, discardingCertificates: true)
      #expect(header.certificateTableRange == stub.count..<bytes.count)
      if size != Self.pkcs.count { #expect(throws: ParseError.self) { try PEHeader(parsing: bytes) } }
    }
    let truncated = Array(Bytes.image(stub, Self.pkcs).prefix(stub.count))
    #expect(throws: ParseError.self) { try PEHeader(parsing: truncated) }
    #expect(try PEHeader(parsing: truncated, discardingCertificates: true).certificateTableRange == nil)
    var inside = Bytes.image(stub, Self.pkcs)
    let directory = try #require(try PEHeader(parsing: inside).certificateDirectoryOffset)
    inside.replaceSubrange(directory..<directory + 4, with: [0, 8, 0, 0])
    #expect(throws: ParseError.self) { try PEHeader(parsing: inside, discardingCertificates: true) }
  }
}
