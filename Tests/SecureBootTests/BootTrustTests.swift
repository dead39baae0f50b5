// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Cryptography
import EFIData
import HostSystem
import Messages
import SecureBoot
import TestSupport
import Testing

@Suite struct BootTrustTests {
  typealias Databases = TrustDatabaseTests
  let root: TemporaryDirectory
  let ours: Certificate

  init() throws {
    root = try TemporaryDirectory()
    ours = try Databases.certificate("ours")
  }

  private func put(secureBoot: UInt8, setupMode: UInt8) throws {
    try root.write("\(Databases.efivars)/\(EFIVariableName.secureBoot.fileName)", [6, 0, 0, 0, secureBoot])
    try root.write("\(Databases.efivars)/\(EFIVariableName.setupMode.fileName)", [6, 0, 0, 0, setupMode])
  }

  private func evaluate(_ certificate: Certificate? = nil, throughShim: Bool = false) throws -> BootTrust {
    let database = try TrustDatabase(readingFrom: root.host())
    return try BootTrust.evaluate(
      certificate: certificate ?? ours, by: TrustEvaluation(database), via: throughShim ? .shim : .firmware)
  }

  @Test(arguments: [false, true])
  func everythingIsAcceptedUnlessEnforced(throughShim: Bool) throws {
    #expect(try evaluate(throughShim: throughShim) == .accepted(reason: "this firmware has no Secure Boot"))
    try put(secureBoot: 0, setupMode: 0)
    #expect(try evaluate(throughShim: throughShim) == .accepted(reason: "Secure Boot is off"))
    try put(secureBoot: 1, setupMode: 1)
    #expect(try evaluate(throughShim: throughShim).isAccepted)
    try put(secureBoot: 1, setupMode: 0)
    #expect(try !evaluate(throughShim: throughShim).isAccepted)
  }

  @Test func aCertificateInDbIsAccepted() throws {
    try put(secureBoot: 1, setupMode: 0)
    try Databases.put(.signatureDatabase, [Databases.list(.x509, ours.der)], in: root)
    #expect(try evaluate() == .accepted(reason: "the certificate CN = ours is in db"))
    #expect(try evaluate(throughShim: true).isAccepted)
    #expect(try !evaluate(Databases.certificate("ours")).isAccepted)
  }

  @Test func machineOwnerKeysAreTrustedOnlyThroughShim() throws {
    try put(secureBoot: 1, setupMode: 0)
    try Databases.put(.machineOwnerKeys, [Databases.list(.x509, ours.der)], in: root)
    #expect(try evaluate(throughShim: true).isAccepted)
    guard case .refused(let reason, let hint) = try evaluate() else {
      Issue.record("the firmware ignores machine owner keys")
      return
    }
    #expect(reason.hasSuffix("only in shim's MOK list") && hint.hasSuffix("pve-sb-uki config set Chain shim"))
  }

  @Test func revocationOverridesEverything() throws {
    try put(secureBoot: 1, setupMode: 0)
    try Databases.put(.signatureDatabase, [Databases.list(.x509, ours.der)], in: root)
    try Databases.put(.forbiddenDatabase, [Databases.list(.x509, ours.der)], in: root)
    #expect(try !evaluate().isAccepted && !evaluate(throughShim: true).isAccepted)
    // shim does not look for digests of certificates.
    let digest = try ours.toBeSignedDigest() + [UInt8](repeating: 0, count: 16)
    try Databases.put(.forbiddenDatabase, [Databases.list(.x509SHA256, digest)], in: root)
    #expect(try !evaluate().isAccepted && evaluate(throughShim: true).isAccepted)
  }

  /// The firmware ignores shim's list.
  @Test func shimsRevocationsMatterOnlyThroughShim() throws {
    try put(secureBoot: 1, setupMode: 0)
    try Databases.put(.signatureDatabase, [Databases.list(.x509, ours.der)], in: root)
    try Databases.put(.forbiddenMachineOwnerKeys, [Databases.list(.x509, ours.der)], in: root)
    #expect(try evaluate().isAccepted && !evaluate(throughShim: true).isAccepted)
  }

  /// Certificates made by openssl: a CA and one issued by it.
  @Test func anIssuerInDbIsSufficient() throws {
    try OpenSSL.makeKeys(in: root)
    let leaf = root.path(of: "leaf.csr")
    try ExternalTool("openssl").run([
      "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", root.path(of: "leaf.key"), "-subj", "/CN=leaf",
      "-out", leaf,
    ])
    try ExternalTool("openssl").run([
      "x509", "-req", "-in", leaf, "-CA", root.path(of: "rsa.crt"), "-CAkey", root.path(of: "rsa.key"),
      "-out", root.path(of: "leaf.crt"),
    ])
    let issued = try Certificate(parsing: #require(try root.read("leaf.crt")))
    let issuer = try Certificate(parsing: #require(try root.read("rsa.crt")))
    #expect(try issued.descends(from: issuer) && !issuer.descends(from: issued) && issuer.descends(from: issuer))
    try put(secureBoot: 1, setupMode: 0)
    try Databases.put(.signatureDatabase, [Databases.list(.x509, issuer.der)], in: root)
    #expect(try evaluate(issued) == .accepted(reason: "the certificate CN = leaf is issued by CN = rsa in db"))
    try Databases.put(.forbiddenDatabase, [Databases.list(.x509, issuer.der)], in: root)
    #expect(try !evaluate(issued).isAccepted)
  }

  /// Signatures contain the certificates of the chain, so that firmware finds the way to the root.
  @Test func theChainLeadsToTheRootInDb() throws {
    let chain = try CertificateChain()
    let root = try Certificate(parsing: chain.bytes("root.crt"))
    let bundle = try CertificateFile(parsing: chain.bytes("middle.crt") + chain.bytes("leaf.crt")).signer()
    try put(secureBoot: 1, setupMode: 0)
    try Databases.put(.signatureDatabase, [Databases.list(.x509, root.der)], in: self.root)
    #expect(try evaluate(bundle) == .accepted(reason: "the certificate CN = leaf is issued by CN = root in db"))
    #expect(try !evaluate(Certificate(parsing: chain.bytes("leaf.crt"))).isAccepted)
    let middle = try Certificate(parsing: chain.bytes("middle.crt"))
    let digest = try middle.toBeSignedDigest() + [UInt8](repeating: 0, count: 16)
    try Databases.put(.forbiddenDatabase, [Databases.list(.x509SHA256, digest)], in: self.root)
    // EDK2 looks for the digests of the signer and of the anchor, not of certificates between them.
    #expect(try evaluate(bundle).isAccepted)
    try Databases.put(.forbiddenDatabase, [Databases.list(.x509, middle.der)], in: self.root)
    #expect(try !evaluate(bundle).isAccepted)
  }

  /// The variable store with Microsoft's certificates from Debian's ovmf.
  @Test func realFirmwareDatabasesAreEvaluated() throws {
    let store = try FileSystem().readFile("/usr/share/OVMF/OVMF_VARS_4M.ms.fd", limit: 1 << 20)
    for name in [EFIVariableName.signatureDatabase, .forbiddenDatabase] {
      let variable = try #require(try VariableStore(parsing: store).variables[name])
      try root.write("\(Databases.efivars)/\(name.fileName)", variable.serialize())
    }
    try put(secureBoot: 1, setupMode: 0)
    let database = try TrustDatabase(readingFrom: root.host())
    for certificate in database.db.certificates { #expect(try evaluate(certificate).isAccepted) }
    #expect(try !evaluate().isAccepted)
  }
}
