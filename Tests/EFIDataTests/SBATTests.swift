// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import EFIData
import Messages
import TestSupport
import Testing

@Suite struct SBATTests {
  /// Extracted from Debian 12's stub by objcopy, without the padding.
  static let stub = """
    sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md
    systemd,1,The systemd Developers,systemd,252,https://systemd.io/
    systemd.debian,1,Debian GNU/Linux,systemd,252.39-1~deb12u2,https://bugs.debian.org/

    """
  static let kernel = """
    sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md
    linux.debian,1,Debian,linux,6.12.43-1,https://bugs.debian.org/

    """
  static let own = "uki.own,2,Owner,uki,1,https://example.org/\n"

  static func parse(_ text: String) throws -> SBAT { try SBAT(parsing: Array(text.utf8)) }

  @Test func linesArePreserved() throws {
    let sbat = try Self.parse(Self.stub)
    #expect(sbat.entries.map(\.component) == ["sbat", "systemd", "systemd.debian"])
    #expect(sbat.entries.map(\.generation) == [1, 1, 1])
    #expect(sbat.serialize() == Array(Self.stub.utf8))
    #expect(sbat.generation(of: "systemd") == 1)
    #expect(sbat.generation(of: "grub") == nil)
  }

  @Test func paddingEmptyLinesAndCarriageReturnsAreIgnored() throws {
    #expect(try Self.parse("\r\n" + Self.own + "\r\n\n\0\0\0").serialize() == Array(Self.own.utf8))
    #expect(try Self.parse("").entries.isEmpty)
    #expect(try Self.parse("\0").serialize().isEmpty)
    #expect(try Self.parse("a,1,,,,").serialize() == Array("a,1,,,,\n".utf8))
    #expect(try Self.parse("a,1,,,,\rb,2,,,,,,\r\n").entries.map(\.generation) == [1, 2])
  }

  @Test func mergingKeepsOneHeaderAndDropsDuplicates() throws {
    let merged = try Self.parse(Self.stub).merged(with: Self.parse(Self.kernel)).merged(with: Self.parse(Self.own))
    let expected = Self.stub + Self.kernel.split(separator: "\n")[1] + "\n" + Self.own
    #expect(String(decoding: merged.serialize(), as: UTF8.self) == expected)
    #expect(merged.merged(with: try Self.parse(Self.kernel)) == merged)
    #expect(SBAT(entries: []).merged(with: try Self.parse(Self.own)).entries.first == .header)
    let newer = try Self.parse(Self.own + "sbat,2,SBAT Version,sbat,2,https://example.org\n")
    #expect(try Self.parse(Self.kernel).merged(with: newer).entries.map(\.generation) == [2, 1, 2])
  }

  @Test(arguments: [
    ("a,1,b,c,d", ParseError.Rule.fieldCount), (",1,b,c,d,e", .fieldCount), ("a,,b,c,d,e", .range),
    ("a,0,b,c,d,e", .range), ("a,-1,b,c,d,e", .range), ("a,+1,b,c,d,e", .range), ("a,1x,b,c,d,e", .range),
    ("a,99999999999999999999,b,c,d,e", .range), ("a,1,b,c\0,d,e", .encoding),
  ])
  func anInvalidLineIsReportedWithItsOffset(_ line: String, _ rule: ParseError.Rule) {
    let error = thrown(ParseError.self) { try Self.parse(Self.own + line + "\n") }
    #expect(error?.rule == rule)
    #expect(error?.offset == Self.own.utf8.count)
    if line.utf8.contains(0) { #expect(error?.description.contains("NUL") == true) }
  }

  @Test func invalidUTF8IsRejected() {
    #expect(throws: ParseError.self) { try SBAT(parsing: Array("a,1,b,c,d,".utf8) + [0xff, 0x0a]) }
  }

  @Test func damagedTextIsRejectedOrRoundTrips() throws {
    for bytes in Mutations(of: Array(Self.stub.utf8), count: 5_000) {
      guard let sbat = try? SBAT(parsing: bytes) else { continue }
      #expect(try SBAT(parsing: sbat.serialize()) == sbat)
    }
  }

  @Test func theInstalledStubsSectionIsParsed() throws {
    let stub = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
    let section = try ExternalTool("objcopy").run(["-O", "binary", "-j", ".sbat", stub, "/dev/stdout"])
    let sbat = try SBAT(parsing: section)
    #expect(sbat.entries.first == .header)
    #expect(sbat.generation(of: "systemd") == 1)
    #expect(sbat.serialize() == Array(section[...(section.lastIndex { $0 != 0 } ?? 0)]))
  }
}
