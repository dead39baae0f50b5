// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import EFIData
import HostSystem
import SecureBoot
import TestSupport
import Testing

/// Verdicts of shim 16.1; `verdict-test` compares them with the real one.
@Suite struct ShimPolicyTests {
  let scene: TrustScene
  let image: String

  init() throws {
    scene = try TrustScene()
    image = try scene.sign(scene.unsigned, by: "leaf", as: "image.efi")
  }

  private func verdict(_ database: TrustDatabase, _ image: String? = nil) throws -> TrustEvaluation.Verdict {
    try scene.verdict(image ?? self.image, database, via: .shim)
  }

  @Test func dbAndTheMOKListAreTrusted() throws {
    #expect(try verdict(scene.database()) == .rejected)
    #expect(try verdict(scene.database(db: [scene.entry("root")])) == .starts)
    #expect(try verdict(scene.database(mok: [scene.entry("root")])) == .starts)
    #expect(try verdict(scene.database(mok: [(.sha256, scene.digest(image))])) == .starts)
    #expect(try scene.verdict(image, scene.database(mok: [scene.entry("root")])) == .rejected)
  }

  @Test func revocationsInDbxAndMokListXReject() throws {
    let trusted = try scene.entry("root")
    let digest: TrustScene.Lists = [(.sha256, try scene.digest(image))]
    #expect(try verdict(scene.database(dbx: [scene.entry("leaf")], mok: [trusted])) == .rejected)
    #expect(try verdict(scene.database(mok: [trusted], mokX: [scene.entry("middle")])) == .rejected)
    #expect(try verdict(scene.database(dbx: digest, mok: [trusted])) == .rejected)
    #expect(try verdict(scene.database(mok: [trusted], mokX: digest)) == .rejected)
    // Digests of certificates mean nothing to shim.
    let certificate: TrustScene.Lists = [
      (.x509SHA256, try scene.certificate("leaf").toBeSignedDigest() + [UInt8](repeating: 0, count: 16))
    ]
    #expect(try verdict(scene.database(dbx: certificate, mok: [trusted])) == .starts)
  }

  @Test func aRevokedSignatureDoesNotSpoilAGoodOne() throws {
    let both = try scene.sign(image, by: "other", as: "both.efi")
    let database = try scene.database(dbx: [scene.entry("other")], mok: [scene.entry("root")])
    #expect(try verdict(database, both) == .starts)
  }

  @Test(arguments: ["sha384", "sha512"]) func otherDigestsThanSHA256AreRejected(_ algorithm: String) throws {
    let image = try scene.sign(scene.unsigned, by: "leaf", algorithm: algorithm, as: "other.efi")
    let database = try scene.database(db: [scene.entry("root")], mok: [scene.entry("root")])
    #expect(try verdict(database, image) == .rejected)
    #expect(try scene.verdict(image, database) == .starts)
  }

  @Test func onlyTheFirstCertificateOfAListCounts() throws {
    let keys = try (0..<2).map { _ in try SigningKey("ours") }
    let list = EDK2PolicyTests.list(of: keys.map(\.certificate.der))
    for (index, expected) in [(0, TrustEvaluation.Verdict.starts), (1, .rejected)] {
      let image = try scene.sign(scene.unsigned, by: keys[index], as: "image-\(index).efi")
      #expect(try verdict(scene.database(others: [.machineOwnerKeys: list]), image) == expected)
    }
  }

  @Test func aCertificateForKernelModulesIsNotTrusted() throws {
    let directory = try TemporaryDirectory()
    for (name, usage) in [("module", "codeSigning,1.3.6.1.4.1.2312.16.1.2"), ("image", "codeSigning")] {
      try ExternalTool("openssl").run([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", directory.path(of: "\(name).key"), "-out",
        directory.path(of: "\(name).crt"), "-subj", "/CN=\(name)", "-days", "30", "-addext",
        "extendedKeyUsage=\(usage)",
      ])
      let signed = scene.path("\(name).efi")
      try ExternalTool("sbsign").run([
        "--key", directory.path(of: "\(name).key"), "--cert", directory.path(of: "\(name).crt"), "--output", signed,
        scene.unsigned,
      ])
      let certificate = try Certificate(parsing: #require(try directory.read("\(name).crt")))
      #expect(certificate.isForKernelModules == (name == "module"))
      let database = try scene.database(db: [(.x509, certificate.der)], mok: [(.x509, certificate.der)])
      #expect(try verdict(database, signed) == (name == "module" ? .rejected : .starts))
      // The firmware does not mind.
      #expect(try scene.verdict(signed, database) == .starts)
    }
  }

  @Test func settingsOfMokutilAreObeyed() throws {
    let ignored = try scene.database(db: [scene.entry("root")], others: [.shimIgnoresDatabase: [1]])
    #expect(try verdict(ignored) == .rejected)
    #expect(try verdict(scene.database(others: [.shimValidationDisabled: [1]]), scene.unsigned) == .starts)
    let strict = try scene.database(mok: [scene.entry("root")], others: [.shimPolicy: [1]])
    let isNXCompatible = try ExternalTool("objdump").result(["-p", image]).text.contains("NX_COMPAT")
    #expect(try verdict(strict) == (isNXCompatible ? .starts : .rejected))
  }

  @Test func theRevocationLevelDecides() throws {
    func level(_ lines: String) throws -> TrustDatabase {
      try scene.database(
        mok: [scene.entry("root")], others: [.revocationLevel: Array("sbat,1,2025051000\n\(lines)".utf8)])
    }
    // The stub has generation 1 of systemd-stub.
    #expect(try verdict(level("systemd-stub,1\n")) == .starts)
    #expect(try verdict(level("grub,5\n")) == .starts)
    let result = try scene.result(image, level("systemd-stub,2\n"), via: .shim)
    #expect(result.verdict == .rejected)
    #expect(result.reason.contains("systemd-stub 1, but shim requires 2"), "\(result.reason)")
    // An image without SBAT data is rejected as soon as there is a level.
    let kernel = scene.path("kernel.efi")
    try ExternalTool("sbsign").run([
      "--key", scene.chain.path("leaf.key"), "--cert", scene.chain.path("leaf.crt"), "--addcert",
      scene.chain.path("middle.crt"), "--output", kernel, Fixture.kernel61.path,
    ])
    #expect(try verdict(level(""), kernel) == .rejected)
    #expect(try scene.verdict(kernel, level(""), via: .loader) == .starts)
    #expect(try verdict(scene.database(mok: [scene.entry("root")]), kernel) == .starts)
  }
}

/// Debian's shims, signed by Microsoft.
@Suite struct ShimProgramTests {
  static let shims = ["shim-bookworm", "shim-trixie"]

  private func database(_ others: [EFIVariableName: [UInt8]] = [:]) throws -> TrustDatabase {
    let root = try TemporaryDirectory()
    let store = try FileSystem().readFile("/usr/share/OVMF/OVMF_VARS_4M.ms.fd", limit: 1 << 20)
    for name in [EFIVariableName.signatureDatabase, .forbiddenDatabase] {
      let variable = try #require(try VariableStore(parsing: store).variables[name])
      try root.write("\(TrustDatabaseTests.efivars)/\(name.fileName)", variable.serialize())
    }
    for (variable, data) in [.secureBoot: [1]].merging(others, uniquingKeysWith: { $1 }) {
      try root.write("\(TrustDatabaseTests.efivars)/\(variable.fileName)", [6, 0, 0, 0] + data)
    }
    return try TrustDatabase(readingFrom: root.host())
  }

  private func file(_ name: String) throws -> File { try FileSystem().openFile(Fixture.path(of: name)) }

  @Test(arguments: shims) func debiansProgramsStartThroughDebiansShim(_ name: String) throws {
    let database = try database()
    let shim = try ShimProgram(of: file(name), in: [], database: database)
    #expect(shim.notes.isEmpty)
    let evaluation = TrustEvaluation(database, shim: shim)
    #expect(try evaluation.judge(file(name), via: .firmware).isAccepted)
    for program in ["grub-bookworm", "grub-trixie", "fwupd-bookworm", "fwupd-trixie"] {
      let result = try evaluation.judge(file(program), via: .shim)
      #expect(result.isAccepted, "\(program): \(result.reason)")
      #expect(try !evaluation.judge(file(program), via: .firmware).isAccepted, "\(program)")
    }
    #expect(try !evaluation.judge(FileSystem().openFile(Fixture.stub257.path), via: .shim).isAccepted)
  }

  /// The levels are those that objcopy and strings show in Debian 12's and 13's shim 16.1.
  @Test(arguments: shims) func theLevelsOfShimApply(_ name: String) throws {
    func next(_ others: [EFIVariableName: [UInt8]] = [:]) throws -> RevocationLevel? {
      let database = try database(others)
      return TrustEvaluation(database, shim: try ShimProgram(of: file(name), in: [], database: database))
        .revocationLevel
    }
    let automatic = RevocationLevel(parsing: Array("sbat,1,2025021800\nshim,4\ngrub,5\n".utf8))
    let latest = RevocationLevel(parsing: Array("sbat,1,2025051000\nshim,4\ngrub,5\ngrub.proxmox,2\n".utf8))
    #expect(automatic != nil && latest != nil && automatic != latest)
    #expect(try next() == automatic)
    #expect(try next([.revocationPolicy: [1]]) == latest)
    let newer = "sbat,1,2030010100\ngrub,6\n"
    #expect(try next([.revocationLevel: Array(newer.utf8)]) == RevocationLevel(parsing: Array(newer.utf8)))
    #expect(try next([.revocationLevel: Array("sbat,1,2021030218\n".utf8)]) == automatic)
    #expect(try next([.revocationLevel: Array("sbat,x".utf8)]) == automatic)
  }

  @Test(arguments: shims) func aShimRevokedByTheLevelDoesNotStart(_ name: String) throws {
    let database = try database([.revocationLevel: Array("sbat,1,2030010100\nshim,9\n".utf8)])
    let shim = try ShimProgram(of: file(name), in: [], database: database)
    let result = try TrustEvaluation(database, shim: shim).judge(file("grub-trixie"), via: .shim)
    #expect(!result.isAccepted && result.reason.hasPrefix("shim is revoked: "), "\(result.reason)")
  }
}
