// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Messages
import PortableExecutable
import TestSupport
import Testing

@Suite struct SBATSectionTests {
  /// The stub, changed by `change`, which gets the offset of the section header of .sbat.
  private static func stub(_ change: (inout [UInt8], Int) -> Void = { _, _ in }) throws -> [UInt8] {
    var bytes = try Fixture.stub257.bytes()
    let header = try PEHeader(parsing: bytes)
    let index = try #require(header.sections.firstIndex { $0.name == ".sbat" })
    change(&bytes, header.sectionTableOffset + index * SectionHeader.size)
    return bytes
  }

  private static func sbat(_ bytes: [UInt8]) throws -> SBATSection { try PEHeader(parsing: bytes).sbat(in: bytes) }

  @Test(arguments: Fixture.stubs) func theContentMatchesObjcopy(_ fixture: Fixture) throws {
    let output = try ScratchFile()
    let copy = try ScratchFile()
    try ExternalTool("objcopy").run(["--dump-section", ".sbat=\(output.path)", fixture.path, copy.path])
    let text = try output.bytes().filter { $0 != 0 }
    guard case .present(let bytes) = try Self.sbat(try fixture.bytes()) else {
      Issue.record("not found")
      return
    }
    #expect(!text.isEmpty && bytes.filter { $0 != 0 } == text)
  }

  /// Fields of the section header: VirtualSize at 8, SizeOfRawData at 16, relocations at 24 and 32.
  @Test func shimsRulesDecide() throws {
    let renamed = try Self.stub { $0[$1 + 1] = UInt8(ascii: "S") }
    #expect(try Self.sbat(renamed) == .missing)
    #expect(try PEHeader(parsing: renamed).sbatSections.isEmpty)
    // The name has eight bytes.
    #expect(try Self.sbat(Self.stub { $0[$1 + 5] = UInt8(ascii: "2") }) == .missing)
    // More bytes in memory than in the file: shim ignores the section.
    #expect(try Self.sbat(Self.stub { $0[$1 + 9] = 0x10 }) == .missing)
    for field in [24, 32] {
      guard case .invalid = try Self.sbat(Self.stub { $0[$1 + field] = 1 }) else {
        Issue.record("relocations at \(field) are accepted")
        continue
      }
    }
    // Line numbers do not matter.
    guard case .present = try Self.sbat(Self.stub { $0[$1 + 28] = 1 }) else {
      Issue.record("line numbers are rejected")
      return
    }
  }

  /// Shim rejects the image even if both sections are equal; one that it ignores does not count.
  @Test func aSecondSectionIsInvalid() throws {
    func twice(ignored: Bool) throws -> [UInt8] {
      try Self.stub { bytes, entry in
        // The section before becomes another .sbat.
        bytes.replaceSubrange(entry - 40..<entry - 32, with: Array(".sbat\0\0\0".utf8))
        if ignored { bytes[entry - 40 + 10] = 1 }
      }
    }
    guard case .invalid(let error) = try Self.sbat(twice(ignored: false)) else {
      Issue.record("accepted")
      return
    }
    #expect(error.rule == .overlap)
    guard case .present = try Self.sbat(twice(ignored: true)) else {
      Issue.record("a section that shim ignores counts")
      return
    }
  }

  @Test func aHugeSectionIsNotRead() throws {
    let header = try PEHeader(parsing: Fixture.stub257.bytes())
    let layout = try ImageLayout(
      base: header, replacements: [:], adding: [AddedSection(name: ".sbat", size: 1 << 17, mayRepeat: true)])
    let bytes = layout.header + [UInt8](repeating: 0, count: layout.fileSize - layout.header.count)
    let own = try PEHeader(parsing: bytes)
    let index = try #require(own.sections.firstIndex { $0.name == ".sbat" })
    var renamed = bytes
    renamed[own.sectionTableOffset + index * SectionHeader.size] = UInt8(ascii: "x")
    guard case .invalid(let error) = try Self.sbat(renamed) else {
      Issue.record("accepted")
      return
    }
    #expect(error.rule == .range)
  }
}
