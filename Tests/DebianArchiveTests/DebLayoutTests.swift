// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import DebianArchive
import Messages
import TestSupport
import Testing

@Suite struct DebLayoutTests {
  private func error(_ package: [UInt8]) -> ParseError? {
    thrown(ParseError.self) { try DebLayout(parsing: package) }
  }

  @Test(arguments: [
    ("-Zxz", MemberCompression.xz), ("-Zzstd", .zstd), ("-Zgzip", .gzip), ("-Znone", .none),
  ]) func packagesByDpkgDebAreRead(_ option: String, _ compression: MemberCompression) throws {
    let package = try DebScene.package([option])
    let layout = try DebLayout(parsing: package)
    #expect(layout.version == "2.0" && layout.extraMembers.isEmpty)
    #expect(layout.control.compression == compression && layout.data.compression == compression)
    #expect(layout.control.member.name == "control.tar\(compression.suffix)")
    let file = try ScratchFile(package, suffix: ".deb")
    if compression == .none {
      #expect(
        try ExternalTool("dpkg-deb").run(["--fsys-tarfile", file.path])
          == Array(package[layout.data.member.contentRange]))
    }
  }

  @Test func truncationAtAnyByteIsAnError() throws {
    let package = try DebScene.package()
    // dpkg does not need the padding after the last member.
    let end = try DebLayout(parsing: package).data.member.contentRange.upperBound
    for count in 0..<end { #expect(error(Array(package[..<count])) != nil, "\(count)") }
  }

  @Test func damageNeverCrashes() throws {
    let package = try DebScene.package(["-Znone"])
    for damaged in Mutations(of: package, count: 1000) {
      do {
        #expect(try DebLayout(parsing: damaged).data.member.contentRange.upperBound <= damaged.count)
      } catch is ParseError {}
    }
  }

  @Test func extraMembersAreAccepted() throws {
    let members = try DebScene.members(DebScene.package())
    let extra = (name: "_extra", content: [UInt8]("x".utf8))
    let signature = (name: "_gpgorigin", content: [UInt8]("sig".utf8))
    let layout = try DebLayout(parsing: DebScene.join([members[0], extra, members[1], extra, members[2], signature]))
    #expect(layout.extraMembers.map(\.name) == ["_extra", "_extra", "_gpgorigin"])
    #expect(layout.data.member.name == members[2].name)
    var slashed = members
    for index in slashed.indices { slashed[index].name += "/" }
    #expect(try DebLayout(parsing: DebScene.join(slashed)).data == DebLayout(parsing: DebScene.join(slashed)).data)
    #expect(try DebLayout(parsing: DebScene.join(slashed)).control.compression == .xz)
    #expect(try DebLayout(parsing: DebScene.join(members + [("anything", [])])).extraMembers.count == 1)
  }

  @Test func missingOrUnexpectedMembersAreRejected() throws {
    let members = try DebScene.members(DebScene.package())
    let (mark, control, data) = (members[0], members[1], members[2])
    func rule(_ members: (name: String, content: [UInt8])...) throws -> ParseError.Rule? {
      error(try DebScene.join(members))?.rule
    }
    #expect(try rule(mark, control, data) == .none)
    #expect(try rule(control, mark, data) == .magic)
    #expect(try rule(mark, data, control) == "order")
    #expect(try rule(mark, ("other", []), control, data) == "order")
    #expect(try rule(mark, control, ("other", []), data) == "order")
    #expect(try rule(mark, control) == .truncated)
    #expect(try rule(mark, data) == .truncated)
    #expect(try rule(mark, control, data, data) == .overlap)
    #expect(try rule(mark, control, ("control.tar.gz", control.content), data) == .overlap)
    #expect(try rule(mark, control, data, ("data.tar", data.content)) == .overlap)
    // The content does not match the name.
    #expect(try rule(mark, ("control.tar", control.content), data) == .magic)
    #expect(try rule(mark, ("control.tar.zst", control.content), data) == .magic)
    #expect(try rule(mark, control, ("data.tar.gz", data.content)) == .magic)
    #expect(try rule(mark, control, (data.name, [])) == .magic)
    #expect(try rule(mark, ("control.tar.bz2", Array("BZh9".utf8)), data) == .unsupported)
    #expect(try rule(mark, control, ("data.tar.rar", data.content)) == .unsupported)
    for version in ["3.0\n", "2\n", "2.0", "", "2.x\n", "0.93\n", "2.0.1\n", "\n", "-2.0\n"] {
      #expect(try rule(("debian-binary", Array(version.utf8)), control, data) != nil, "\(version)")
    }
    #expect(try rule(("debian-binary", Array("2.1\nmore\n".utf8)), control, data) == .none)
  }
}
