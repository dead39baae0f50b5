// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Cryptography
import HostCommands
import HostSystem
import Messages
import SigningKeys
import TestSupport
import Testing

@Suite struct KeysImportTests {
  static let directory = KeysCreateTests.directory
  static let guid = "0a1b2c3d-1111-2222-3333-444455556666"
  let root: TemporaryDirectory

  init() throws { root = try TemporaryDirectory() }

  /// Keys made by openssl: files named `PK.key`, `PK.crt` and so on.
  private static let made = Result {
    let scratch = try TemporaryDirectory()
    for role in ["PK", "KEK", "db"] {
      try openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=owner \(role)", "-days", "3650", "-keyout",
        scratch.path(of: "\(role).key"), "-out", scratch.path(of: "\(role).crt"))
    }
    return try scratch.list("").reduce(into: [String: [UInt8]]()) { $0[$1] = try scratch.read($1) }
  }

  @discardableResult
  private static func openssl(_ arguments: String...) throws -> String {
    String(decoding: try ExternalTool("openssl").run(arguments), as: UTF8.self)
  }

  /// Writes the keys where another tool has them; `*` in the paths is the role.
  private func lay(_ keys: String, _ certificates: String, owner: String?, in directory: String = "src") throws {
    for role in KeysCreateTests.roles {
      let made = try Self.made.get()
      try root.write("\(directory)/\(Self.name(keys, role))", try #require(made["\(role).key"]), mode: 0o600)
      try root.write("\(directory)/\(Self.name(certificates, role))", try #require(made["\(role).crt"]))
    }
    if let owner { try root.write("\(directory)/\(owner)", "\(Self.guid)\n") }
  }

  private static func name(_ pattern: String, _ role: String) -> String {
    pattern.split(separator: "*", omittingEmptySubsequences: false).joined(separator: role)
  }

  @discardableResult
  private func imported(
    _ recorder: MutationRecorder = MutationRecorder(), passphrase: String? = nil,
    _ change: (inout KeysImport) -> Void = { _ in }
  ) throws -> KeysImport.Result {
    var keys = KeysImport()
    keys.directory = root.path(of: "src")
    change(&keys)
    var host = try root.host(gate: recorder.gate)
    // openssl's certificates are valid from the machine's own time.
    host.now = { 1_900_000_000 }
    if let passphrase {
      try root.write("passphrase", "\(passphrase)\n")
      host.passphrases.file = root.path(of: "passphrase")
    }
    return try keys.run(on: host)
  }

  private func refusal(_ passphrase: String? = nil, _ change: (inout KeysImport) -> Void = { _ in }) throws -> String? {
    let failure = thrown(Failure.self) { try imported(passphrase: passphrase, change) }
    #expect(try root.list(Self.directory).isEmpty)
    #expect(failure?.hint != nil)
    return failure?.description
  }

  /// The directories of other tools: the scripts with sb/, sbctl new and old, sicherboot and plain directories.
  @Test(arguments: [
    ("keys/*.key", "certs/*.crt", "GUID.txt", ""), ("sb/keys/*.key", "sb/certs/*.crt", "sb/GUID.txt", ""),
    ("keys/*/*.key", "keys/*/*.pem", "GUID", ""), ("keys/*/*.key", "keys/*/*.pem", "GUID", "/keys"),
    ("*.key", "*.crt", "GUID", ""), ("*.key", "*.pem", "guid.txt", ""), ("keys/*.key", "keys/*.cer", nil, ""),
  ])
  func layoutsAreRecognized(keys: String, certificates: String, owner: String?, below: String) throws {
    try lay(keys, certificates, owner: owner)
    let result = try imported { $0.directory = root.path(of: "src" + below) }
    #expect(result.list.keys.map(\.role) == KeysCreateTests.roles)
    #expect(result.list.warnings.isEmpty)
    #expect(owner == nil || result.list.owner == Self.guid)
    #expect(result.originals.count == 3 && result.notes.count == 1)
    for role in KeysCreateTests.roles {
      let made = try Self.made.get()
      #expect(try root.read("\(Self.directory)/\(role).key") == made["\(role).key"])
      #expect(try root.read("\(Self.directory)/\(role).crt") == made["\(role).crt"])
      #expect(try root.read("src/\(Self.name(keys, role))") == made["\(role).key"])
      #expect(try FileSystem().status(of: root.path(of: "\(Self.directory)/\(role).key"))?.mode == 0o600)
    }
    #expect(try FileSystem().status(of: root.path(of: Self.directory))?.mode == 0o700)
  }

  @Test func theKeyOfAMOKIsASigningPair() throws {
    let made = try Self.made.get()
    try root.write("src/MOK.priv", try #require(made["db.key"]))
    try root.write("crt.pem", try #require(made["db.crt"]))
    try root.write(
      "src/MOK.der", try ExternalTool("openssl").run(["x509", "-in", root.path(of: "crt.pem"), "-outform", "DER"]))
    #expect(try imported().list.keys.map(\.role) == ["db"])
    #expect(try KeyStore(of: root.host()).state() == .signingPair(hasPrivateKey: true))
  }

  @Test func binaryAndProtectedFilesAreAccepted() throws {
    try lay("*.key", "*.crt", owner: nil, in: "made")
    func made(_ name: String) -> String { root.path(of: "made/\(name)") }
    func output(_ name: String) throws -> String {
      try root.write("src/\(name)", [])
      return root.path(of: "src/\(name)")
    }
    try Self.openssl(
      "pkcs12", "-export", "-inkey", made("PK.key"), "-in", made("PK.crt"), "-passout", "pass:secret", "-out",
      output("PK.p12"))
    try Self.openssl(
      "pkcs8", "-topk8", "-in", made("KEK.key"), "-outform", "DER", "-passout", "pass:secret", "-out", output("KEK.key")
    )
    try Self.openssl("x509", "-in", made("KEK.crt"), "-outform", "DER", "-out", output("KEK.cer"))
    try Self.openssl("rsa", "-in", made("db.key"), "-aes256", "-passout", "pass:secret", "-out", output("db.key"))
    try root.write("src/db.crt", try #require(try root.read("made/db.crt")))
    #expect(try refusal()?.contains("is protected by a passphrase") == true)
    #expect(try refusal("wrong")?.contains("does not open") == true)
    try imported(passphrase: "secret")
    for role in KeysCreateTests.roles {
      let path = root.path(of: "\(Self.directory)/\(role).key")
      let pem = String(decoding: try #require(try root.read("\(Self.directory)/\(role).key")), as: UTF8.self)
      #expect(pem.contains("ENCRYPTED"), "\(role)")
      let modulus = try Self.openssl("rsa", "-noout", "-modulus", "-in", path, "-passin", "pass:secret")
      #expect(try modulus == Self.openssl("rsa", "-noout", "-modulus", "-in", made("\(role).key")), "\(role)")
      #expect(try ExternalTool("openssl").result(["rsa", "-noout", "-in", path, "-passin", "pass:x"]).status != 0)
    }
  }

  @Test func singleFilesAreAccepted() throws {
    try lay("*.key", "*.crt", owner: nil)
    // A key and its certificate in one file.
    let made = try Self.made.get()
    try root.write("both.pem", try #require(made["db.crt"]) + #require(made["db.key"]))
    let source = KeyLayout.Source(key: root.path(of: "both.pem"), certificate: nil)
    try imported {
      $0.directory = nil
      $0.sources = [.signatureDatabase: source]
      $0.owner = Self.guid
    }
    #expect(try root.list(Self.directory) == ["GUID", "db.crt", "db.key"])
    #expect(try root.read("\(Self.directory)/db.key") == made["db.key"])
    #expect(try root.read("\(Self.directory)/GUID") == Array("\(Self.guid)\n".utf8))
  }

  @Test func aPartOfAHierarchyIsRejected() throws {
    try lay("*.key", "*.crt", owner: nil)
    for name in ["KEK.key", "KEK.crt"] { try FileSystem().remove(root.path(of: "src/\(name)")) }
    #expect(try refusal()?.hasSuffix("is incomplete: missing KEK") == true)
    for name in ["db.key"] { try FileSystem().remove(root.path(of: "src/\(name)")) }
    #expect(try refusal()?.contains("has no private key for db") == true)
    #expect(try refusal { $0.directory = root.path }?.contains("has no keys that pve-sb-uki recognizes") == true)
    #expect(try refusal { $0.directory = root.path(of: "none") }?.hasSuffix("is not a directory") == true)
  }

  /// PK and KEK may be kept elsewhere, as on a host of pve-sb-uki.
  @Test func certificatesOfPKAndKEKSuffice() throws {
    try lay("*.key", "*.crt", owner: nil)
    for name in ["PK.key", "KEK.key"] { try FileSystem().remove(root.path(of: "src/\(name)")) }
    try imported()
    #expect(
      try KeyStore(of: root.host()).state() == .complete(withoutPrivateKeys: [.platformKey, .keyExchangeKey]))
  }

  @Test func unsuitableKeysAreRejected() throws {
    try lay("*.key", "*.crt", owner: "GUID")
    let made = try Self.made.get()
    try root.write("src/db.crt", try #require(made["KEK.crt"]))
    #expect(try refusal()?.hasSuffix("src/db.crt is not the certificate of \(root.path)/src/db.key") == true)
    func replace(_ options: String...) throws {
      try ExternalTool("openssl").run(
        ["req", "-x509", "-nodes", "-subj", "/CN=x", "-keyout", root.path(of: "src/db.key")]
          + ["-out", root.path(of: "src/db.crt")] + options)
    }
    try replace("-newkey", "rsa:1024")
    #expect(try refusal()?.contains("has 1024 bits") == true)
    try replace("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    #expect(try refusal()?.contains("UEFI firmware verifies RSA only") == true)
    try replace("-newkey", "rsa:2048", "-addext", "extendedKeyUsage=codeSigning,1.3.6.1.4.1.2312.16.1.2")
    #expect(try refusal()?.contains("is a certificate for kernel modules only") == true)
    try replace("-newkey", "rsa:2048")
    try root.write("src/GUID", "none\n")
    #expect(try refusal()?.hasSuffix("src/GUID: 'none' is not a GUID") == true)
  }

  @Test func damagedFilesAreRejected() throws {
    try lay("*.key", "*.crt", owner: "GUID")
    for name in ["PK.key", "KEK.crt", "db.key"] {
      let whole = try #require(try root.read("src/\(name)"))
      for content in [[], Array(whole.prefix(whole.count / 2)), [0x30, 0x82, 0xff]] {
        try root.write("src/\(name)", content)
        #expect(thrown(Failure.self) { try imported() } != nil, "\(name), \(content.count) bytes")
        #expect(try root.list(Self.directory).isEmpty)
      }
      try root.write("src/\(name)", whole)
    }
  }

  @Test func existingKeysAreNeverOverwritten() throws {
    try lay("*.key", "*.crt", owner: "GUID")
    try imported()
    let before = try root.read("\(Self.directory)/GUID")
    #expect(thrown(Failure.self) { try imported { $0.owner = nil } }?.description.contains("is not empty") == true)
    #expect(try root.read("\(Self.directory)/GUID") == before)
  }

  @Test func aFailureAtAnyChangeLeavesAllOrNothing() throws {
    try lay("*.key", "*.crt", owner: "GUID")
    for number in 1... {
      try ExternalTool("rm").run(["-rf", root.path(of: "etc")])
      let recorder = MutationRecorder(.only(number))
      do {
        try imported(recorder)
        #expect(number > 30)
        break
      } catch {
        let names = try root.list(Self.directory)
        #expect(names.isEmpty || names.count == 7, "change \(number)")
        #expect(try root.list("/etc/pve-sb-uki").allSatisfy { $0 == "keys" }, "change \(number)")
      }
    }
  }
}
