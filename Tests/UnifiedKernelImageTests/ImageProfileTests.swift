// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Messages
import PortableExecutable
import TestSupport
import Testing
import UnifiedKernelImage

/// UAPI.5, "Multi-Profile UKIs".
@Suite struct ImageProfileTests {
  private func recipe(_ ids: String..., stub: Fixture = .stub257) throws -> ImageRecipe {
    var recipe = try Parts.recipe(stub)
    recipe.profiles = try ids.map {
      try ImageProfile(id: $0, title: "The \($0)", commandLine: Array("word=\($0)".utf8))
    }
    return recipe
  }

  /// Everything before the first `.profile` belongs to all profiles.
  @Test func profilesFollowTheSharedSections() throws {
    let image = try ScratchFile(try Parts.build(try recipe("rescue", "serial"), by: SigningKey()), suffix: ".efi")
    let script = """
      import pefile, sys
      for section in pefile.PE(sys.argv[1]).sections:
          name = section.Name.rstrip(b"\\0").decode()
          text = section.get_data()[:section.Misc_VirtualSize] if name in (".profile", ".cmdline") else b""
          print(name, text)
      """
    let listing = String(decoding: try ExternalTool("/usr/bin/python3").run(["-c", script, image.path]), as: UTF8.self)
    let lines = listing.split(separator: "\n").map(String.init)
    #expect(lines.contains(".cmdline b'\(Parts.commandLine)'"))
    #expect(
      lines.suffix(6) == [
        ".linux b''", ".profile b'ID=main\\n'", ".profile b'ID=rescue\\nTITLE=\"The rescue\"\\n'",
        ".cmdline b'word=rescue'", ".profile b'ID=serial\\nTITLE=\"The serial\"\\n'", ".cmdline b'word=serial'",
      ])
  }

  @Test func theSharedPartsAreThoseWithoutProfiles() throws {
    let plain = try Parts.build(try Parts.recipe())
    let bytes = try Parts.build(try recipe("rescue"))
    let (one, other) = (try PEHeader(parsing: plain), try PEHeader(parsing: bytes))
    for section in one.sections {
      let same = try #require(other.section(named: section.name))
      #expect(plain[section.contentRange] == bytes[same.contentRange], "\(section.name)")
    }
  }

  @Test func whatCannotBeAProfileIsRejected() throws {
    for id in ["", "Rescue", "main", "a b", "a/b", "ä", String(repeating: "a", count: 33)] {
      #expect(thrown(ImageError.self) { try ImageProfile(id: id, commandLine: [0x61]) }?.hint != nil, "\(id)")
    }
    for title in ["a\"b", "a\nb", String(repeating: "a", count: 65)] {
      #expect(throws: ImageError.self) { try ImageProfile(id: "a", title: title, commandLine: [0x61]) }
    }
    let old = thrown(ImageError.self) { try ImagePlan(try recipe("rescue", stub: .stub252)) }
    #expect(old?.message.contains("does not support profiles") == true && old?.hint != nil)
    let twice = thrown(ImageError.self) { try ImagePlan(try recipe("rescue", "rescue")) }
    #expect(twice?.message.contains("two profiles have the ID 'rescue'") == true)
    #expect(throws: ImageError.self) { try ImagePlan(try recipe("a", "b", "c", "d", "e", "f", "g", "h", "i")) }
    var lineless = try recipe("rescue")
    lineless.commandLine = nil
    #expect(throws: ImageError.self) { try ImagePlan(lineless) }
    var empty = try recipe()
    empty.profiles = [try ImageProfile(id: "a", commandLine: [])]
    #expect(throws: ImageError.self) { try ImagePlan(empty) }
  }
}
