// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostCommands
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct KeysCreateTests {
  static let directory = "/etc/pve-sb-uki/keys"
  static let roles = ["PK", "KEK", "db"]
  let root: TemporaryDirectory
  init() throws { root = try TemporaryDirectory() }

  private func create(_ change: (inout KeysCreate) -> Void = { _ in }) throws -> KeysCreate.Result {
    var create = KeysCreate()
    change(&create)
    return try create.run(on: root.host())
  }

  private func path(_ name: String) -> String { root.path(of: "\(Self.directory)/\(name)") }

  private func openssl(_ arguments: String...) throws -> String {
    String(decoding: try ExternalTool("openssl").run(arguments), as: UTF8.self)
  }

  @Test func opensslAcceptsKeysAndCertificates() throws {
    let result = try create()
    #expect(result.wasCreated)
    #expect(result.list.keys.map(\.role) == Self.roles)
    #expect(result.list.warnings.isEmpty)
    for (role, key) in zip(Self.roles, result.list.keys) {
      #expect(try openssl("rsa", "-check", "-noout", "-in", path("\(role).key")).contains("RSA key ok"))
      #expect(try root.read("\(Self.directory)/\(role).key")?.starts(with: "-----BEGIN PRIVATE KEY-----".utf8) == true)
      let certificate = path("\(role).crt")
      #expect(try openssl("verify", "-attime", "1750000000", "-CAfile", certificate, certificate).hasSuffix(": OK\n"))
      let publicKey = try openssl("pkey", "-pubout", "-in", path("\(role).key"))
      #expect(try openssl("x509", "-noout", "-pubkey", "-in", certificate) == publicKey)
      let fingerprint = try openssl("x509", "-noout", "-fingerprint", "-sha256", "-in", certificate)
        .split(separator: "=").last?.filter(\.isHexDigit).lowercased()
      #expect(key.fingerprint == fingerprint)
      #expect(key.privateKeyPath == path("\(role).key"))
    }
  }

  @Test func certificatesHaveTheFieldsThatFirmwareAndShimNeed() throws {
    _ = try create()
    var serials: Set<Substring> = []
    for role in Self.roles {
      let text = try openssl("x509", "-noout", "-text", "-in", path("\(role).crt"))
      let lines = text.split(separator: "\n").map { $0.drop { $0 == " " } }
      func value(after label: String) throws -> Substring {
        lines[try #require(lines.firstIndex { $0.hasPrefix(label) }) + 1]
      }
      #expect(lines.contains("Subject: CN = test-host Secure Boot \(role)"))
      #expect(lines.contains("Issuer: CN = test-host Secure Boot \(role)"))
      #expect(lines.contains("Version: 3 (0x2)"))
      #expect(lines.contains("Public-Key: (2048 bit)"))
      #expect(lines.contains("Signature Algorithm: sha256WithRSAEncryption"))
      #expect(lines.contains("Not Before: Jun 14 15:06:40 2025 GMT"))
      #expect(lines.contains("Not After : Jun 15 15:06:40 2035 GMT"))
      #expect(try value(after: "X509v3 Basic Constraints: critical") == "CA:FALSE")
      #expect(try value(after: "X509v3 Key Usage: critical") == "Digital Signature")
      #expect(text.contains("X509v3 Subject Key Identifier"))
      #expect(text.contains("Code Signing") == (role == "db"))
      let serial = try value(after: "Serial Number")
      #expect(serial.split(separator: ":").count == 16)
      serials.insert(serial)
    }
    #expect(serials.count == 3)
  }

  /// Before the first contact with a time server, the clock of a host without a battery says 1970.
  @Test func aClockBeforeTheProgramDoesNotShortenTheValidity() throws {
    var host = try root.host()
    host.now = { 60 }
    host.programTime = 1_750_000_000
    let result = try KeysCreate().run(on: host)
    let text = try openssl("x509", "-noout", "-dates", "-in", path("db.crt"))
    #expect(text == "notBefore=Jun 14 15:06:40 2025 GMT\nnotAfter=Jun 15 15:06:40 2035 GMT\n")
    #expect(result.list.warnings.contains { $0.contains("this host's clock says 1970-01-01 00:01:00 UTC") })
    host.now = { 1_750_000_001 }
    #expect(try KeysList().run(on: host).warnings.isEmpty)
    // A program from the future would be strange, but a later clock takes effect.
    host.now = { 1_900_000_000 }
    #expect(host.plausibleTime == 1_900_000_000 && !host.isClockBehind)
  }

  @Test func theProgramKnowsWhenItWasBuilt() throws {
    let host = try Host(root: root.path)
    let built = try #require(host.programTime)
    #expect(built > 1_700_000_000 && built <= host.now())
  }

  @Test(arguments: [3072, 4096]) func largerKeysAreCreatedOnRequest(bits: Int) throws {
    let result = try create { $0.bits = bits }
    #expect(result.list.keys.map(\.algorithm) == Array(repeating: "RSA \(bits)", count: 3))
    #expect(try openssl("x509", "-noout", "-text", "-in", path("db.crt")).contains("Public-Key: (\(bits) bit)"))
  }

  @Test func existingKeysAreNeverReplaced() throws {
    _ = try create()
    let before = try root.read("\(Self.directory)/PK.key")
    let failure = thrown(Failure.self) { try create() }
    #expect(failure?.description == "\(root.path)\(Self.directory) already contains keys")
    #expect(failure?.hint != nil)
    let result = try create { $0.acceptsExisting = true }
    #expect(!result.wasCreated && result.list.keys.count == 3)
    #expect(try root.read("\(Self.directory)/PK.key") == before)
  }

  @Test func anIncompleteSetIsNeverCompleted() throws {
    _ = try create()
    let host = try root.host()
    try host.files.remove("\(Self.directory)/PK.crt")
    let names = try root.list(Self.directory)
    for accepts in [false, true] {
      let failure = thrown(Failure.self) { try create { $0.acceptsExisting = accepts } }
      #expect(failure?.description.contains("missing PK.crt") == true)
    }
    #expect(try root.list(Self.directory) == names)
  }

  @Test func privateKeysOfPKAndKEKMayBeKeptElsewhere() throws {
    _ = try create()
    let host = try root.host()
    for role in ["PK", "KEK"] { try host.files.remove("\(Self.directory)/\(role).key") }
    let result = try create { $0.acceptsExisting = true }
    #expect(result.list.keys.map { $0.privateKeyPath == nil } == [true, true, false])
    #expect(throws: Failure.self) { try create() }
  }

  @Test func otherFilesInTheDirectoryPreventCreation() throws {
    try root.write("\(Self.directory)/pcr.key", "x")
    let failure = thrown(Failure.self) { try create() }
    #expect(failure?.description.contains("pcr.key") == true)
    #expect(try root.list(Self.directory) == ["pcr.key"])
    try root.host().files.remove("\(Self.directory)/pcr.key")
    #expect(try create().wasCreated)
  }

  @Test func longHostNamesFitIntoTheSubject() throws {
    var host = try root.host()
    host.hostName = String(repeating: "ü", count: 64)
    let result = try KeysCreate().run(on: host)
    #expect(result.list.keys.allSatisfy { $0.subject.utf8.count < 300 })
    let subject = try openssl("x509", "-noout", "-subject", "-nameopt", "utf8", "-in", path("KEK.crt"))
    #expect(subject.hasSuffix("ü Secure Boot KEK\n"))
  }

  @Test(arguments: ["", String(repeating: "x", count: 61), "two\nlines", "\u{1b}[31m"])
  func invalidCommonNamesAreRejected(_ name: String) throws {
    #expect(throws: Failure.self) { try create { $0.commonName = name } }
    #expect(try root.list(Self.directory).isEmpty)
  }

  @Test func nameAndOwnerAreUsedAsSpecified() throws {
    let result = try create {
      $0.commonName = "Example GmbH"
      $0.owner = "11223344-5566-7788-99AA-BBCCDDEEFF00"
    }
    #expect(result.list.owner == "11223344-5566-7788-99aa-bbccddeeff00")
    #expect(result.list.keys.map(\.subject) == Self.roles.map { "CN = Example GmbH \($0)" })
  }

  @Test(arguments: ["mine", "", "11223344-5566-7788-99aa-bbccddeeff0"])
  func anInvalidOwnerGUIDIsRejected(_ owner: String) throws {
    #expect(thrown(Failure.self) { try create { $0.owner = owner } }?.hint != nil)
    #expect(try root.list(Self.directory).isEmpty)
  }

  /// For MOK and build machines: no PK and KEK, and never the usage that makes shim reject images.
  @Test(arguments: [true, false]) func aSigningPairIsCreatedAlone(isAuthority: Bool) throws {
    let result = try create {
      $0.isSigningPair = true
      $0.isAuthority = isAuthority
    }
    #expect(result.list.keys.map(\.role) == ["db"] && result.list.warnings.isEmpty)
    #expect(try root.list(Self.directory) == ["GUID", "db.crt", "db.key"])
    let text = try openssl("x509", "-noout", "-text", "-in", path("db.crt"))
    #expect(text.contains("Subject: CN = test-host Secure Boot MOK"))
    #expect(text.contains(isAuthority ? "CA:TRUE" : "CA:FALSE"))
    #expect(text.contains("Digital Signature, Certificate Sign") == isAuthority)
    #expect(text.contains("Code Signing") && !text.contains("1.3.6.1.4.1.2312.16.1.2"))
    #expect(try create { $0.acceptsExisting = true }.wasCreated == false)
    let failure = thrown(Failure.self) { try create() }
    #expect(failure?.hint?.description.contains("keys create --complete") == true)
  }

  @Test func aSigningPairIsCompleted() throws {
    _ = try create { $0.isSigningPair = true }
    let pair = try [root.read("\(Self.directory)/db.key"), root.read("\(Self.directory)/db.crt")]
    let result = try create { $0.completes = true }
    #expect(result.wasCreated && result.list.keys.map(\.role) == Self.roles && result.list.warnings.isEmpty)
    #expect(try [root.read("\(Self.directory)/db.key"), root.read("\(Self.directory)/db.crt")] == pair)
    #expect(thrown(Failure.self) { try create { $0.completes = true } }?.hint != nil)
    #expect(
      try create { keys in
        keys.completes = true
        keys.acceptsExisting = true
      }.wasCreated == false)
  }

  /// Whatever is interrupted, the next run ends it, and the pair that signs is never touched.
  @Test(.enabled(if: SlowTests.run)) func anInterruptedCompletionContinues() throws {
    _ = try create { $0.isSigningPair = true }
    let pair = try root.read("\(Self.directory)/db.key")
    var completion = KeysCreate()
    completion.completes = true
    // An error after the last file has its name leaves nothing to do.
    completion.acceptsExisting = true
    for number in 1... {
      for name in ["PK.key", "PK.crt", "KEK.key", "KEK.crt"] {
        _ = try root.host().files.remove("\(Self.directory)/\(name)")
      }
      do {
        _ = try completion.run(on: root.host(gate: MutationRecorder(.from(number)).gate))
        #expect(number > 20)
        break
      } catch {
        let kept = try root.read("\(Self.directory)/PK.key")
        #expect(try completion.run(on: root.host()).list.warnings.isEmpty, "change \(number)")
        #expect(try kept == nil || root.read("\(Self.directory)/PK.key") == kept, "change \(number)")
        #expect(try root.read("\(Self.directory)/db.key") == pair)
      }
    }
  }

  @Test func nothingIsCompletedWithoutASigningPair() throws {
    #expect(thrown(Failure.self) { try create { $0.completes = true } }?.description.hasPrefix("no keys in") == true)
    _ = try create()
    try root.host().files.remove("\(Self.directory)/KEK.key")
    try root.host().files.remove("\(Self.directory)/GUID")
    let failure = thrown(Failure.self) { try create { $0.completes = true } }
    #expect(failure?.description.contains("missing KEK.key, GUID") == true)
  }
}
