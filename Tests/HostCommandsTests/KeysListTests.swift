// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostCommands
import HostSystem
import TestSupport
import Testing

@Suite struct KeysListTests {
  static let directory = KeysCreateTests.directory
  let root: TemporaryDirectory

  init() throws {
    root = try TemporaryDirectory()
    try KeysFixture.install(in: root)
  }

  private func path(_ name: String) -> String { root.path(of: "\(Self.directory)/\(name)") }
  private func list() throws -> KeysList.Result { try KeysList().run(on: root.host()) }

  @Test func aHostWithoutKeysListsNothing() throws {
    let empty = try TemporaryDirectory()
    let result = try KeysList().run(on: empty.host())
    #expect(result.keys.isEmpty && result.warnings.isEmpty && result.owner == nil)
  }

  @Test func newKeysCauseNoWarning() throws {
    let result = try list()
    #expect(result.warnings.isEmpty)
    #expect(result.directory == root.path(of: Self.directory))
    #expect(result.keys.map(\.notAfter) == Array(repeating: "2035-06-15 15:06:40 UTC", count: 3))
  }

  @Test(arguments: [("PK.key", "640"), ("db.key", "604"), ("db.crt", "666"), ("", "755")])
  func permissiveModesCauseAWarning(_ name: String, _ mode: String) throws {
    let target = name.isEmpty ? root.path(of: Self.directory) : path(name)
    try ExternalTool("chmod").run([mode, target])
    let warnings = try list().warnings
    #expect(warnings.count == 1)
    #expect(warnings.first?.hasPrefix("\(target): mode \(mode) gives others access") == true)
  }

  @Test func expiryIsReportedInAdvance() throws {
    var host = try root.host()
    for (days, word) in [(3652 - 91, nil), (3652 - 89, "expires on"), (3653, "expired on")] as [(Int64, String?)] {
      host.now = { 1_750_000_000 + days * 86_400 }
      let warnings = try KeysList().run(on: host).warnings
      #expect(warnings.count == (word == nil ? 0 : 3))
      if let word { #expect(warnings.allSatisfy { $0.contains(word) }) }
    }
    host.now = { 1_000_000_000 }
    #expect(try KeysList().run(on: host).warnings.allSatisfy { $0.contains("check this host's clock") })
  }

  @Test func unusableFilesCauseWarningsAndTheRestIsShown() throws {
    try root.write("\(Self.directory)/KEK.crt", "garbage")
    try root.write("\(Self.directory)/GUID", "garbage")
    let key = try #require(try root.read("\(Self.directory)/PK.key"))
    try root.write("\(Self.directory)/db.key", key, mode: 0o600)
    let result = try list()
    #expect(result.keys.map(\.role) == ["PK", "db"])
    #expect(result.owner == nil)
    #expect(result.warnings.count == 3)
    #expect(result.warnings.contains { $0.contains("db.crt: does not match db.key") })
  }
}
