// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostCommands
import Messages
import TestSupport
import Testing

/// An image with two profiles (UAPI.5), put together by objcopy.
@Suite struct InspectImageTests {
  let directory: TemporaryDirectory
  let image: String

  init() throws {
    directory = try TemporaryDirectory()
    image = directory.path(of: "image.efi")
    // objcopy makes no second section of a name; each name gets its last letter afterwards.
    let sections = [
      (".cmdlin0", "base"), (".unam0", "6.1"), (".profil0", "ID=main"), (".profil1", "ID=rescue"),
      (".cmdlin1", "rescue"), (".profil2", "ID=bare"),
    ]
    var arguments: [String] = []
    for (index, (name, text)) in sections.enumerated() {
      try directory.write(name, text)
      let address = 0x1_4e00_0000 + index << 12
      arguments += [
        "--add-section", "\(name)=\(directory.path(of: name))", "--set-section-flags", "\(name)=data,readonly",
        "--change-section-vma", "\(name)=\(address)",
      ]
    }
    try ExternalTool("objcopy").run(arguments + [Fixture.stub257.path, image])
    var bytes = try directory.read("image.efi") ?? []
    for (name, _) in sections {
      let start = try #require(bytes.indices.first { bytes[$0...].starts(with: name.utf8) })
      bytes[start + name.utf8.count - 1] = UInt8(ascii: "e")
    }
    try directory.write("image.efi", bytes)
  }

  private func extract(_ name: String, profile: Int? = nil) throws -> (text: String, count: Int) {
    var bytes: [UInt8] = []
    let count = try InspectImage(path: image).extract(name, profile: profile, on: directory.host()) { bytes += $0 }
    return (String(decoding: bytes.filter { $0 != 0 }, as: UTF8.self), count)
  }

  @Test func sectionsOfAllProfilesAreShown() throws {
    let report = try InspectImage(path: image).run(on: directory.host())
    #expect(report.sections.filter { $0.name == ".cmdline" }.map(\.text) == ["base", "rescue"])
    #expect(try extract(".cmdline") == ("baserescue", 2))
    #expect(try extract(".uname") == ("6.1", 1))
  }

  /// The stub takes a section of the profile, else that of the base.
  @Test(arguments: [(0, "base"), (1, "rescue"), (2, "base")]) func aProfileCanBeChosen(profile: Int, line: String)
    throws
  {
    #expect(try extract(".cmdline", profile: profile) == (line, 1))
    #expect(try extract(".uname", profile: profile) == ("6.1", 1))
    #expect(try extract(".profile", profile: profile).text == ["ID=main", "ID=rescue", "ID=bare"][profile])
  }

  @Test(arguments: [-1, 3, .max]) func aMissingProfileIsNamed(profile: Int) throws {
    let failure = thrown(Failure.self) { try extract(".cmdline", profile: profile) }
    #expect(failure?.description.contains("no profile \(profile)") == true && failure?.hint?.contains("3") == true)
  }

  @Test func anImageWithoutProfilesHasTheBaseOnly() throws {
    let inspect = InspectImage(path: Fixture.stub257.path)
    #expect(try inspect.extract(".sbat", profile: 0, on: directory.host()) { _ in } == 1)
    #expect(throws: Failure.self) { try inspect.extract(".sbat", profile: 1, on: directory.host()) { _ in } }
    let missing = thrown(Failure.self) { try inspect.extract(".cmdline", on: directory.host()) { _ in } }
    #expect(missing?.hint?.contains(".sbat") == true)
  }
}
