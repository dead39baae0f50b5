// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostCommands
import HostSystem
import Messages
import SecureBoot
import SigningKeys
import TestSupport
import Testing

@Suite struct VerifyImageTests {
  let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    try OpenSSL.makeKeys(in: directory)
  }

  func path(_ name: String) -> String { directory.path(of: name) }

  /// The stub signed by sbsign, and then changed by `change`.
  func signed(by key: String, _ change: (inout [UInt8]) -> Void = { _ in }) throws -> String {
    let image = path("image.efi")
    try ExternalTool("sbsign").run([
      "--key", path("\(key).key"), "--cert", path("\(key).crt"), "--output", image, Fixture.stub257.path,
    ])
    var bytes = try directory.read("image.efi") ?? []
    change(&bytes)
    try directory.write("image.efi", bytes)
    return image
  }

  func verify(_ image: String, _ certificate: String) throws -> VerifyImage.Report {
    try VerifyImage(certificates: [path(certificate)]).run(image, on: directory.host())
  }

  /// sbverify accepts it; Debian 12's and 13's OVMF do not, sid's does.
  @Test func anEllipticCurveDependsOnTheFirmware() throws {
    let image = try signed(by: "ec")
    try ExternalTool("sbverify").run(["--cert", path("ec.crt"), image])
    let report = try verify(image, "ec.crt")
    #expect(report.verdict == .depends && !report.isAccepted)
    #expect(report.reason.contains("was made with a key that is not RSA"), "\(report.reason)")
  }

  /// Firmware that trusts the root needs the intermediate in the signature.
  @Test func theChainIsPartOfTheSignature() throws {
    let chain = try CertificateChain()
    let image = try signed(by: "old")
    var sign = SignImage(
      path: image,
      key: KeySource(
        key: chain.path("leaf.key"), certificate: try chain.bundle(["leaf", "middle", "root"], as: "bundle.pem")))
    sign.replacesExisting = true
    #expect(try sign.run(on: directory.host()).wasWritten)
    #expect(try sign.run(on: directory.host()).wasWritten == false)
    let listing = try ExternalTool("osslsigncode").result([
      "verify", "-ignore-cdp", "-CAfile", chain.path("root.crt"), "-in", image,
    ]).text
    #expect(listing.contains("Signature verification: ok"), "\(listing)")
    for name in ["leaf", "middle", "root"] { #expect(listing.contains("CN=\(name)"), "\(name)") }
    try ExternalTool("sbverify").run(["--cert", chain.path("root.crt"), image])
    for anchor in ["root", "middle", "leaf"] {
      let report = try VerifyImage(certificates: [chain.path("\(anchor).crt")]).run(image, on: directory.host())
      #expect(report.isAccepted, "\(report.reason)")
    }
    // All certificates of a bundle are anchors.
    let others = try chain.bundle(["other", "root"], as: "anchors.pem")
    #expect(try VerifyImage(certificates: [others]).run(image, on: directory.host()).isAccepted)
    let other = try VerifyImage(certificates: [chain.path("other.crt")]).run(image, on: directory.host())
    #expect(!other.isAccepted)
  }

  @Test func errorsNameAFileWithAShortName() throws {
    try directory.write("a", "MZ")
    let failure = thrown(Failure.self) { try verify(path("a"), "rsa.crt") }
    #expect(failure?.description.hasPrefix(path("a") + ": PE/COFF, byte ") == true, "\(String(describing: failure))")
  }

  @Test func replacingDropsAnUnreadableSignature() throws {
    let image = try signed(by: "old") { bytes in
      for index in bytes.indices.suffix(1300) { bytes[index] = 0xff }
    }
    var sign = SignImage(path: image, key: KeySource(key: path("rsa.key"), certificate: path("rsa.crt")))
    sign.replacesExisting = true
    var host = try directory.host()
    host.now = { OpenSSL.now }
    #expect(try sign.run(on: host).wasWritten)
    #expect(try verify(image, "rsa.crt").isAccepted)
  }

  @Test func aKeyIsNeverOverwritten() throws {
    var sign = SignImage(
      path: Fixture.stub257.path, key: KeySource(key: path("rsa.key"), certificate: path("rsa.crt")))
    sign.output = path("rsa.key")
    var host = try directory.host()
    host.now = { OpenSSL.now }
    #expect(throws: Failure.self) { try sign.run(on: host) }
    #expect(try directory.read("rsa.key")?.starts(with: "-----BEGIN".utf8) == true)
  }

  @Test func aPINInAURIIsNotShown() throws {
    for uri in ["pkcs11:token=none;pin-value=s3cr3t", "file:/nowhere?pin-value=s3cr3t&x=y"] {
      let source = KeySource(key: uri, certificate: path("rsa.crt"))
      let failure = thrown(Failure.self) {
        try SignImage(path: Fixture.stub257.path, key: source).run(on: directory.host())
      }
      let text = "\(String(describing: failure))"
      #expect(failure != nil && !text.contains("s3cr3t") && text.contains(uri.prefix(6)), "\(text)")
    }
  }
}
