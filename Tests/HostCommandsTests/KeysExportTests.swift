// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import EFIData
import HostCommands
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct KeysExportTests {
  static let directory = KeysCreateTests.directory
  static let roles = KeysCreateTests.roles
  let root: TemporaryDirectory

  init() throws {
    root = try TemporaryDirectory()
    try KeysFixture.install(in: root)
  }

  @discardableResult
  private func export(
    to name: String, at now: Int64 = 1_750_000_000, force: Bool = false
  ) throws -> [KeysExport.File] {
    var host = try root.host()
    host.now = { now }
    var export = KeysExport()
    export.directory = root.path(of: name)
    export.overwrites = force
    return try export.run(on: host).files
  }

  private func time(of name: String) throws -> EFITime {
    try AuthenticatedVariable(parsing: try #require(try root.read(name))).time
  }

  private func content(of name: String) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for file in try root.list(name) { files[file] = try root.read("\(name)/\(file)") }
    return files
  }

  @Test func everyFormatIsExported() throws {
    let files = try export(to: "out")
    let names = Self.roles.flatMap { role in ["crt", "cer", "der", "esl", "auth"].map { "\(role).\($0)" } }
    #expect(try root.list("out").sorted() == (names + ["noPK.auth"]).sorted())
    #expect(files.count == 16 && files.allSatisfy(\.wasWritten))
    let owner = try #require(try KeysList().run(on: root.host()).owner)
    for role in Self.roles {
      let certificate = root.path(of: "\(Self.directory)/\(role).crt")
      #expect(try root.read("out/\(role).crt") == root.read("\(Self.directory)/\(role).crt"))
      let der = try ExternalTool("openssl").run(["x509", "-in", certificate, "-outform", "DER"])
      #expect(try root.read("out/\(role).cer") == der)
      #expect(try root.read("out/\(role).der") == der)
      try ExternalTool("cert-to-efi-sig-list").run(["-g", owner, certificate, root.path(of: "their.esl")])
      let list = try root.read("their.esl")
      #expect(try root.read("out/\(role).esl") == list)
      #expect(try AuthenticatedVariable(parsing: try #require(try root.read("out/\(role).auth"))).payload == list)
    }
    #expect(try AuthenticatedVariable(parsing: try #require(try root.read("out/noPK.auth"))).payload.isEmpty)
  }

  @Test func updatesMatchEfitools() throws {
    try export(to: "out")
    // 1 750 000 000 s after 1970, and one second later for the removal of PK.
    for (name, variable, signer, time) in [
      ("PK", "PK", "PK", "2025-06-15 15:06:40"), ("KEK", "KEK", "PK", "2025-06-15 15:06:40"),
      ("db", "db", "KEK", "2025-06-15 15:06:40"), ("noPK", "PK", "PK", "2025-06-15 15:06:41"),
    ] {
      let list = name == "noPK" ? [] : try #require(try root.read("out/\(name).esl"))
      try root.write("in.esl", list)
      try ExternalTool("sign-efi-sig-list").run([
        "-t", time, "-k", root.path(of: "\(Self.directory)/\(signer).key"), "-c",
        root.path(of: "\(Self.directory)/\(signer).crt"), variable, root.path(of: "in.esl"),
        root.path(of: "their.auth"),
      ])
      #expect(try root.read("out/\(name).auth") == root.read("their.auth"))
    }
  }

  @Test func noPrivateKeyIsExported() throws {
    try export(to: "out")
    let files = try content(of: "out")
    for role in Self.roles {
      let text = String(
        decoding: try ExternalTool("openssl").run([
          "rsa", "-noout", "-text", "-in", root.path(of: "\(Self.directory)/\(role).key"),
        ]), as: UTF8.self)
      for label in ["privateExponent:", "prime1:", "prime2:", "exponent1:", "exponent2:", "coefficient:"] {
        let part = try #require(text.components(after: label))
        let secret = try #require([UInt8](hexadecimal: part)).drop { $0 == 0 }.prefix(32)
        #expect(secret.count == 32)
        for (name, bytes) in files { #expect(!bytes.contains(secret), "\(label) of \(role) in \(name)") }
      }
    }
    #expect(files.values.allSatisfy { !$0.contains("PRIVATE KEY".utf8) })
  }

  @Test func laterExportsAreNewerEvenIfTheClockGoesBack() throws {
    try export(to: "one")
    try export(to: "two")
    try export(to: "three", at: 1_740_000_000 + 10_000_000 - 3600)
    try export(to: "four", at: 1_760_000_000)
    for (earlier, later) in [("one", "two"), ("two", "three"), ("three", "four")] {
      #expect(try time(of: "\(earlier)/PK.auth") < time(of: "\(earlier)/noPK.auth"))
      for role in Self.roles {
        #expect(try time(of: "\(earlier)/noPK.auth") < time(of: "\(later)/\(role).auth"))
      }
    }
    #expect(try time(of: "four/PK.auth").description == "2025-10-09 08:53:20 UTC")
  }

  @Test func repeatingTheLastExportOnlyAddsMissingFiles() throws {
    try export(to: "out")
    let before = try content(of: "out")
    try ExternalTool("rm").run([root.path(of: "out/KEK.auth"), root.path(of: "out/db.cer")])
    let written = try export(to: "out", at: 1_760_000_000).filter(\.wasWritten).map(\.path)
    #expect(written.sorted() == ["out/KEK.auth", "out/db.cer"].map { root.path(of: $0) })
    #expect(try content(of: "out") == before)
  }

  @Test func differentFilesAreOverwrittenOnlyOnRequest() throws {
    try export(to: "out")
    try export(to: "elsewhere")
    let before = try content(of: "out")
    let failure = thrown(Failure.self) { try export(to: "out") }
    #expect(failure?.hint?.contains("--force") == true)
    #expect(try content(of: "out") == before)
    try export(to: "out", force: true)
    #expect(try time(of: "elsewhere/noPK.auth") < time(of: "out/PK.auth"))
    #expect(try root.list("out").count == 16)
  }

  @Test func foreignFilesPreventTheWholeExport() throws {
    try root.write("out/db.esl", "mine")
    #expect(thrown(Failure.self) { try export(to: "out") }?.description.contains("out/db.esl") == true)
    #expect(try root.list("out") == ["db.esl"])
    try root.write("file", "no directory")
    #expect(throws: (any Error).self) { try export(to: "file") }
  }

  @Test func missingKeysAreReported() throws {
    let empty = try TemporaryDirectory()
    var export = KeysExport()
    export.directory = empty.path(of: "out")
    let absent = thrown(Failure.self) { try export.run(on: empty.host()) }
    #expect(absent?.hint == "run 'pve-sb-uki keys create'")
    try root.host().files.remove("\(Self.directory)/PK.key")
    let offline = thrown(Failure.self) { try self.export(to: "out") }
    #expect(offline?.description.contains("PK.key") == true)
    #expect(try root.list("out").isEmpty)
  }
}

extension String {
  /// The hexadecimal digits of the indented lines after the line `label`.
  fileprivate func components(after label: String) -> String? {
    let lines = split(separator: "\n")
    guard let start = lines.firstIndex(where: { $0 == label }) else { return nil }
    return lines[(start + 1)...].prefix { $0.hasPrefix("    ") }.joined().filter(\.isHexDigit)
  }
}

extension Collection where Element: Equatable {
  /// Whether the elements of `part` occur in that order, one after the other.
  fileprivate func contains(_ part: some Collection<Element>) -> Bool {
    guard let first = part.first else { return true }
    return indices.contains { self[$0] == first && self[$0...].starts(with: part) }
  }
}
