// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import EFIData
import HostCommands
import HostSystem
import KernelModules
import Messages
import SigningKeys
import TestSupport
import Testing

/// `sign`, `verify` and `inspect` with modules of Debian's kernels.
@Suite struct ModuleCommandTests {
  /// A module of Debian 12's unsigned kernel package, and one of Debian 13's signed one.
  private struct Modules {
    var plain: [UInt8]
    var signed: [UInt8]
    var signedRelease: String
    var configuration: [UInt8]
  }
  private static let modules = Result { () throws -> Modules in
    /// The files that match the patterns, in the order of their names.
    func extract(_ package: String, _ patterns: String...) throws -> [(name: String, content: [UInt8])] {
      let directory = try TemporaryDirectory()
      let deb = "\(Fixture.packageDirectory)/\(package).deb"
      let words = patterns.map { "'\($0)'" }.joined(separator: " ")
      _ = try ExternalTool("sh").run([
        "-c",
        "dpkg-deb --fsys-tarfile '\(deb)' | tar -x -C '\(directory.path)' --transform 's|.*/||' --wildcards \(words)",
      ])
      return try directory.list("").map { ($0, try #require(try directory.read($0))) }
    }
    let plain = try #require(try extract("linux-image-bookworm-unsigned", "*/net/dummy.ko").first?.content)
    let signed = try extract("linux-image-trixie-signed", "*/net/dummy.ko.xz", "*/config-*")
    // Also the modules of the first package have a signature: the last 40 bytes say how long it is.
    let count = plain.dropLast(28).suffix(4).reduce(0) { $0 << 8 | Int($1) }
    return Modules(
      plain: plain.dropLast(40 + count), signed: signed[1].content,
      signedRelease: String(signed[0].name.dropFirst("config-".count)), configuration: signed[0].content)
  }

  private let directory: TemporaryDirectory
  private let key: SigningKey
  private let modules: Modules

  init() throws {
    modules = try Self.modules.get()
    directory = try TemporaryDirectory()
    key = try SigningKey("Ours")
    try directory.write("db.key", key.identity.key.serializedPEM())
    try directory.write("db.crt", key.certificate.serializedPEM())
    try directory.write("plain.ko", modules.plain)
    try directory.write("signed.ko.xz", modules.signed)
  }

  private func path(_ name: String) -> String { directory.path(of: name) }

  private func sign(_ name: String, _ change: (inout SignModule) -> Void = { _ in }) throws -> SignImage.Result {
    var sign = SignModule(path: path(name), key: KeySource(key: path("db.key"), certificate: path("db.crt")))
    sign.digest = .sha512
    change(&sign)
    return try sign.run(on: directory.host())
  }

  private func put(_ variable: EFIVariableName, _ data: [UInt8]) throws {
    try directory.write("\(EFIVariableStore.directory)/\(variable.fileName)", [7, 0, 0, 0] + data)
  }

  private func verify(_ names: String..., change: (inout VerifyModules) -> Void = { _ in }) throws
    -> VerifyModules.Result
  {
    var verify = VerifyModules()
    change(&verify)
    return try verify.run(names.map(path), on: directory.host()) { Issue.record($0) }
  }

  /// The oracle is OpenSSL, which makes the same PKCS#7 as the kernel's sign-file; `module-test` compares with sign-file.
  @Test func aModuleIsSignedAsTheKernelDoes() throws {
    let result = try sign("plain.ko")
    #expect(result.signaturesBefore == 0 && result.signaturesAfter == 1 && result.wasWritten)
    let bytes = try #require(try directory.read("plain.ko"))
    #expect(bytes.starts(with: modules.plain) && bytes.suffix(28).elementsEqual("~Module signature appended~\n".utf8))
    let signature = Array(bytes.dropFirst(modules.plain.count).dropLast(40))
    let (message, content) = (try ScratchFile(signature), try ScratchFile(modules.plain))
    _ = try ExternalTool("openssl").run([
      "cms", "-verify", "-binary", "-inform", "DER", "-in", message.path, "-content", content.path, "-certfile",
      path("db.crt"), "-noverify", "-nointern", "-out", "/dev/null",
    ])
    #expect(try !sign("plain.ko").wasWritten)
    #expect(try directory.read("plain.ko") == bytes)
  }

  @Test func anotherSignatureIsReplacedUnlessItMustStay() throws {
    let error = thrown(Failure.self) { try sign("signed.ko.xz") { $0.keepsExisting = true } }
    #expect(error?.description.hasSuffix("a kernel module can have only one signature") == true)
    #expect(try directory.read("signed.ko.xz") == modules.signed)
    let result = try sign("signed.ko.xz") { $0.output = path("new.ko.xz") }
    #expect(result.notes.map(\.description).contains { $0.hasPrefix("the new signature replaces the one by") })
    // Still what the kernel's decoder accepts: one stream with CRC32.
    let list = String(decoding: try ExternalTool("xz").run(["--robot", "--list", path("new.ko.xz")]), as: UTF8.self)
    #expect(list.contains("CRC32"))
    #expect(try verify("new.ko.xz") { $0.certificates = [path("db.crt")] }.reports.map(\.isAccepted) == [true])
    #expect(try verify("signed.ko.xz") { $0.certificates = [path("db.crt")] }.reports.map(\.isAccepted) == [false])
  }

  @Test func theDigestIsThatOfTheModulesKernel() throws {
    func sign() throws {
      try directory.write("plain.ko", modules.plain)
      _ = try self.sign("plain.ko") { $0.digest = nil }
    }
    let error = thrown(Failure.self) { try sign() }
    #expect(error?.hint?.contains("--digest sha512") == true)
    let information = try InspectModule(path: path("plain.ko")).run(on: directory.host()).information
    let kernel = try #require(information.kernel)
    try directory.write("boot/config-\(kernel)", "CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_HASH=\"sha384\"\n")
    try sign()
    #expect(try InspectModule(path: path("plain.ko")).run(on: directory.host()).digest == "sha384")
  }

  /// The oracle is modinfo.
  @Test func inspectSaysWhatModinfoSays() throws {
    for name in ["plain.ko", "signed.ko.xz"] {
      let report = try InspectModule(path: path(name)).run(on: directory.host())
      for key in ["name", "vermagic", "license", "srcversion", "depends", "description"] {
        let value = try ExternalTool("/sbin/modinfo").run(["-F", key, path(name)])
        #expect(
          String(decoding: value, as: UTF8.self) == report.information[key].map { "\($0)\n" } ?? "", "\(name): \(key)")
      }
      let digest = String(
        decoding: try ExternalTool("/sbin/modinfo").run(["-F", "sig_hashalgo", path(name)]), as: UTF8.self)
      #expect(digest == (report.digest.map { "\($0)\n" } ?? "\n") || digest.isEmpty && report.digest == nil)
    }
  }

  /// The module and the kernel come from one package of Debian: the kernel has the certificate that signed it.
  @Test func aKernelTrustsItsOwnModules() throws {
    let release = modules.signedRelease
    try directory.write("boot/config-\(release)", modules.configuration)
    try directory.write("boot/vmlinuz-\(release)", Fixture.bytes(of: "vmlinuz-trixie"))
    _ = try sign("plain.ko")
    let result = try verify("signed.ko.xz", "plain.ko") { $0.kernel = release }
    guard case .trusted(let anchor) = result.reports[0].verdict else {
      Issue.record("\(result.reports[0])")
      return
    }
    let signer = try ExternalTool("/sbin/modinfo").run(["-F", "signer", path("signed.ko.xz")])
    let name = String(decoding: signer, as: UTF8.self).prefix { $0 != "\n" }
    #expect(anchor.keyring == .builtIn && !name.isEmpty && anchor.certificate.subject.contains(name))
    #expect(!result.reports[1].isAccepted)
    // With the key in db, by Debian's patch.
    let lists = SignatureDatabase(certificates: [key.certificate.der], owner: GUID(1, 2, 3, 4))
    try put(.signatureDatabase, lists.serialize())
    let enrolled = try verify("plain.ko") { $0.kernel = release }
    #expect(enrolled.reports[0].verdict == .trusted(.init(keyring: .platform, certificate: key.certificate)))
    // Changed by one bit.
    var changed = try #require(try directory.read("plain.ko"))
    changed[1000] ^= 1
    try directory.write("plain.ko", changed)
    #expect(try verify("plain.ko") { $0.kernel = release }.reports[0].verdict == .bad("its signature is invalid"))
  }

  @Test func loadedModulesAreLookedUpInTheOtherKernel() throws {
    let directory = "lib/modules/6.8.12-9-pve"
    try self.directory.write(
      "proc/modules",
      """
      nvidia 1 0 - Live 0x0 (POE)
      dummy_one 2 1 other, Live 0x0
      gone 1 0 - Live 0x0
      ext4 1 0 - Live 0x0

      """)
    #expect(throws: Failure.self) { try VerifyModules().loaded(in: "6.8.12-9-pve", on: self.directory.host()) }
    try self.directory.write("\(directory)/modules.dep", "kernel/drivers/net/dummy-one.ko.xz:\nupdates/dkms/x.ko:\n")
    try self.directory.write("\(directory)/modules.builtin", "kernel/fs/ext4/ext4.ko\n")
    try self.directory.write("\(directory)/kernel/drivers/net/dummy-one.ko.xz", modules.signed)
    let result = try VerifyModules().loaded(in: "6.8.12-9-pve", on: self.directory.host())
    #expect(result.reports.map(\.isAccepted) == [false, false] && result.builtInCount == 1)
    #expect(result.reports[0].path == "nvidia" && result.reports[0].verdict == nil)
    #expect(result.reports[1].path.hasSuffix("dummy-one.ko.xz"))
    #expect(result.notes.map(\.description).contains { $0.contains("has no module gone") })
  }

  /// Promise I8: no crash, and an error for each.
  @Test func damagedModulesAreErrors() throws {
    let lengths = stride(from: 0, to: modules.plain.count, by: 4001)
    for bytes in Array(Mutations(of: modules.plain, count: 60)) + lengths.map({ Array(modules.plain.prefix($0)) }) {
      try directory.write("plain.ko", bytes)
      _ = try? InspectModule(path: path("plain.ko")).run(on: directory.host())
      _ = try? sign("plain.ko") { $0.output = path("out.ko") }
    }
  }
}
