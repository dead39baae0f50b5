// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import EFIData
import Glibc
import HostSystem
import TestSupport
import Testing

@Suite struct RecollectionTests {
  private let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  @Test func eachFileIsExaminedOnce() throws {
    try directory.write("a/one", "1")
    let live = try directory.host().files
    let files = live.remembering()
    for (name, content) in [("a/one", "2"), ("a/two", "")] {
      #expect(try files.readTextIfPresent("/a/one") == "1" && files.readTextIfPresent("/a/two") == nil)
      #expect(try files.status(of: "/a/one")?.size == 1 && files.status(of: "/a/two") == nil)
      #expect(try files.linkStatus(of: "/a/two") == nil && files.list("/a") == ["one"] && files.list("/b") == nil)
      // Another program changes the directory.
      try directory.write(name, content)
    }
    #expect(try live.readTextIfPresent("/a/one") == "2" && live.list("/a") == ["one", "two"])
    #expect(try files.remembering().list("/a") == ["one"])
  }

  @Test func aChangeMakesItForget() throws {
    try directory.write("a/one", "1")
    let files = try directory.host().files.remembering()
    let part = try files.subtree("/a")
    #expect(try files.readTextIfPresent("/a/one") == "1" && part.readTextIfPresent("/one") == "1")
    // Through a part of it, and through the whole.
    try part.replaceFile("/one", content: Array("2".utf8))
    #expect(try files.readTextIfPresent("/a/one") == "2" && part.readTextIfPresent("/one") == "2")
    try files.remove("/a/one")
    #expect(try part.status(of: "/one") == nil && part.list("/") == [])
  }

  @Test func aLimitAppliesToWhatIsRemembered() throws {
    try directory.write("one", "12345")
    let files = try directory.host().files.remembering()
    #expect(try files.readFileIfPresent("/one", limit: 5)?.count == 5)
    #expect(throws: HostError.self) { try files.readFileIfPresent("/one", limit: 4) }
  }

  @Test func variablesThatDoNotExistAreNotAskedFor() throws {
    let name = EFIVariableName.bootOrder.fileName
    try directory.write("\(EFIVariableStore.directory)/\(name)", [7, 0, 0, 0, 1, 0])
    let host = try directory.host().remembering()
    #expect(try host.variables.read(name) == [7, 0, 0, 0, 1, 0])
    #expect(try host.variables.read(EFIVariableName.secureBoot.fileName) == nil)
    #expect(try host.variables.shimTableEntry("MokListRT") == nil)
    try host.variables.remove(name, holding: nil)
    #expect(try host.variables.read(name) == nil)
  }

  /// find(1) is the oracle; more names than one call returns.
  @Test func aDirectoryIsListedWithStatuses() throws {
    for number in 0..<2000 {
      try directory.write("d/a rather long name, so that one buffer is not enough \(number)", "x")
    }
    try directory.write("d/directory/file", "")
    for name in [".hidden", "ümlaut", "a\nb"] { try directory.write("d/\(name)", "12") }
    symlink("nowhere", directory.path(of: "d/link"))
    symlink("link to itself", directory.path(of: "d/link to itself"))
    let path = directory.path(of: "d")
    let text = try ExternalTool("find").result([path, "-mindepth", "1", "-maxdepth", "1", "-printf", "%f/%y %s %i\\0"])
    let expected = Set(text.text.split(separator: "\0").map(String.init))
    for files in [try directory.host().files, try directory.host().files.remembering()] {
      let found = try #require(try files.listWithStatus("/d"))
      let lines = found.map { name, status in
        let kind = [FileStatus.Kind.regular: "f", .directory: "d", .symbolicLink: "l"][status.kind] ?? "?"
        return "\(name)/\(kind) \(status.size) \(status.inode)"
      }
      #expect(Set(lines) == expected && lines.count == expected.count)
      #expect(try files.list("/d") == found.map(\.name))
      for (name, status) in found.suffix(50) { #expect(try files.linkStatus(of: "/d/\(name)") == status) }
      #expect(try files.status(of: "/d/link") == nil && files.status(of: "/d/directory")?.kind == .directory)
      #expect(try files.listWithStatus("/d") { $0 == "directory" }?.map(\.name) == ["directory"])
      #expect(try files.listWithStatus("/missing") == nil)
    }
  }
}
