// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import EFIData
import Glibc
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
    to name: String, at now: Int64 = 1_750_000_000, force: Bool = false, removal: Bool = false
  ) throws -> [KeysExport.File] {
    try result(to: name, at: now, force: force, removal: removal).files
  }

  private func result(
    to name: String, at now: Int64 = 1_750_000_000, force: Bool = false, removal: Bool = false
  ) throws -> KeysExport.Result {
    var host = try root.host()
    host.now = { now }
    var export = KeysExport()
    export.directory = root.path(of: name)
    export.overwrites = force
    export.isRemoval = removal
    return try export.run(on: host)
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
    let redfish = ["redfish-README.txt"] + Self.roles.map { "redfish-\($0).json" }
    let names = redfish + Self.roles.flatMap { role in ["crt", "cer", "der", "esl", "auth"].map { "\(role).\($0)" } }
    #expect(try root.list("out").sorted() == names.sorted())
    #expect(files.count == 19 && files.allSatisfy(\.wasWritten))
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
  }

  private func export(for purpose: KeysExport.Purpose) throws -> [String] {
    var export = KeysExport()
    export.directory = root.path(of: purpose.rawValue)
    export.purpose = purpose
    _ = try export.run(on: root.host())
    return try root.list(purpose.rawValue)
  }

  @Test func onlyTheFilesForAPurposeAreExported() throws {
    #expect(try export(for: .menu) == Self.roles.sorted().flatMap { ["\($0).auth", "\($0).cer", "\($0).esl"] })
    #expect(try export(for: .mok) == ["db.crt", "db.der"])
    #expect(
      try export(for: .redfish) == ["redfish-KEK.json", "redfish-PK.json", "redfish-README.txt", "redfish-db.json"])
  }

  /// Neither MokManager nor a management controller needs a signed update.
  @Test func certificatesAreExportedWithoutThePrivateKeys() throws {
    for name in ["PK.key", "KEK.key"] { try root.host().files.remove("\(Self.directory)/\(name)") }
    #expect(try export(for: .mok).count == 2 && export(for: .redfish).count == 4)
    #expect(throws: Failure.self) { try export(for: .menu) }
    #expect(try root.read("\(Self.directory)/LAST-UPDATE") == nil)
  }

  /// DMTF's schema: a certificate in PEM and the type of its encoding.
  @Test func payloadsForRedfishHaveTheCertificate() throws {
    _ = try export(for: .redfish)
    for role in Self.roles {
      let text = try ExternalTool("python3").run([
        "-c",
        "import json, sys; d = json.load(open(sys.argv[1])); assert set(d) == {'CertificateString', "
          + "'CertificateType'} and d['CertificateType'] == 'PEM'; print(d['CertificateString'], end='')",
        root.path(of: "redfish/redfish-\(role).json"),
      ])
      #expect(try text == root.read("\(Self.directory)/\(role).crt"))
    }
    let readme = String(decoding: try #require(try root.read("redfish/redfish-README.txt")), as: UTF8.self)
    for role in Self.roles { #expect(readme.contains("SecureBootDatabases/\(role)/Certificates")) }
  }

  /// Anyone who can write PK can turn Secure Boot off with this file: it is written only on request, and not on an ESP.
  @Test func theRemovalOfPKIsWrittenOnlyOnRequest() throws {
    try export(to: "out")
    let result = try result(to: "removal", removal: true)
    #expect(try root.list("removal") == ["noPK.auth"] && result.files.map(\.wasWritten) == [true])
    #expect(result.notes.count == 1 && result.notes[0].contains("turns Secure Boot off"))
    #expect(try AuthenticatedVariable(parsing: try #require(try root.read("removal/noPK.auth"))).payload.isEmpty)
    #expect(try export(to: "removal", removal: true).map(\.wasWritten) == [false])
    // An export next to an old one says so.
    #expect(try self.result(to: "removal").notes.contains { $0.contains("removal/noPK.auth") })
    #expect(try self.result(to: "elsewhere").notes.isEmpty)
  }

  @Test func theRemovalOfPKNeverReachesAnESP() throws {
    try root.write("boot/efi/EFI/other/file", "x")
    try root.write("etc/pve-sb-uki/pve-sb-uki.conf", "Esp=/boot/efi\n")
    for path in ["boot/efi", "boot/efi/EFI", "boot/efi/new/directory", "boot/../boot/efi/EFI/other"] {
      let failure = thrown(Failure.self) { try export(to: path, removal: true) }
      #expect(failure?.description.contains("/boot/efi") == true && failure?.hint != nil, "\(path)")
      #expect(throws: Never.self) { try export(to: path, force: true) }
    }
    #expect(throws: Never.self) { try export(to: "boot/elsewhere", removal: true) }
    #expect(try root.list("boot/efi/EFI").contains("noPK.auth") == false)
  }

  /// With `Certificate=` set, firmware must get that certificate, not the one in the directory of the keys.
  @Test(arguments: [true, false]) func theCertificateThatSignsIsExported(hasOwner: Bool) throws {
    let root = hasOwner ? root : try TemporaryDirectory()
    let key = try SigningKey("Elsewhere")
    try root.write("srv/sign.crt", try key.certificate.serializedPEM())
    try root.write("etc/pve-sb-uki/pve-sb-uki.conf", "Key=pkcs11:token=none\nCertificate=/srv/sign.crt\n")
    var export = KeysExport()
    export.directory = root.path(of: "out")
    let result = try export.run(on: root.host())
    #expect(try root.read("out/db.cer") == key.certificate.der && root.read("out/db.der") == key.certificate.der)
    #expect(try root.read("out/db.crt") == root.read("srv/sign.crt"))
    if hasOwner {
      let list = try SignatureDatabase(parsing: #require(try root.read("out/db.esl")))
      #expect(list.signatures(of: .x509).map(\.data) == [key.certificate.der])
      let update = try AuthenticatedVariable(parsing: #require(try root.read("out/db.auth")))
      #expect(try update.payload == root.read("out/db.esl"))
      #expect(try root.read("out/PK.crt") == root.read("\(Self.directory)/PK.crt"))
    } else {
      #expect(
        try root.list("out") == ["db.cer", "db.crt", "db.der", "redfish-README.txt", "redfish-db.json"]
          && result.notes.count == 1)
      export.isRemoval = true
      #expect(throws: Failure.self) { try export.run(on: root.host()) }
    }
  }

  /// Everything goes to the directory that was checked, even if another user renames it meanwhile.
  @Test func theDirectoryIsOpenedOnce() throws {
    let path = root.path
    try root.write("victim/PK.der", "victim")
    try root.write("out/x", "x")
    var host = try root.host()
    let isSwapped = Guarded(false)
    host.userFiles = FileSystem { mutation in
      guard mutation.kind == .rename else { return }
      let isFirst = isSwapped.withLock { swapped in
        defer { swapped = true }
        return !swapped
      }
      guard isFirst else { return }
      rename("\(path)/out", "\(path)/moved")
      symlink("victim", "\(path)/out")
    }
    var export = KeysExport()
    export.directory = root.path(of: "out")
    _ = try export.run(on: host)
    #expect(try root.list("moved").count == 20 && root.list("victim") == ["PK.der"])
    #expect(try root.read("victim/PK.der") == Array("victim".utf8))
  }

  @Test func updatesMatchEfitools() throws {
    try export(to: "out")
    try export(to: "out", removal: true)
    // 1 750 000 000 s after 1970, and two seconds later for the next export, which removes PK.
    for (name, variable, signer, time) in [
      ("PK", "PK", "PK", "2025-06-15 15:06:40"), ("KEK", "KEK", "PK", "2025-06-15 15:06:40"),
      ("db", "db", "KEK", "2025-06-15 15:06:40"), ("noPK", "PK", "PK", "2025-06-15 15:06:42"),
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
    let times: [Int64] = [1_750_000_000, 1_750_000_000, 1_749_996_400, 1_760_000_000]
    for (name, now) in zip(["one", "two", "three", "four"], times) {
      try export(to: name, at: now)
      try export(to: name, at: now, removal: true)
    }
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

  /// Earlier versions recorded the time of noPK.auth, one second after that of the others.
  @Test func anExportOfAnEarlierVersionIsLeftAsItIs() throws {
    try export(to: "out")
    try root.write("\(Self.directory)/LAST-UPDATE", "1750000001\n")
    #expect(try export(to: "out", at: 1_760_000_000).allSatisfy { !$0.wasWritten })
  }

  /// The clock of a host without a battery says 1970 until it reaches a time server.
  @Test func aClockBeforeTheProgramDoesNotMakeOldUpdates() throws {
    var host = try root.host()
    (host.now, host.programTime) = ({ 60 }, 1_750_000_000)
    var export = KeysExport()
    export.directory = root.path(of: "out")
    _ = try export.run(on: host)
    #expect(try time(of: "out/PK.auth").description == "2025-06-15 15:06:40 UTC")
  }

  @Test func differentFilesAreOverwrittenOnlyOnRequest() throws {
    try export(to: "out")
    try export(to: "elsewhere")
    let before = try content(of: "out")
    let failure = thrown(Failure.self) { try export(to: "out") }
    #expect(failure?.hint?.contains("--force") == true)
    #expect(try content(of: "out") == before)
    try export(to: "out", force: true)
    #expect(try time(of: "elsewhere/PK.auth") < time(of: "out/PK.auth"))
    #expect(try root.list("out").count == 19)
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
