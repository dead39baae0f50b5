// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import HostSystem
import Messages
import Reconcile
import TestSupport
import Testing

@Suite struct DKMSSigningTests {
  private let root: TemporaryDirectory
  private static let key = "/etc/pve-sb-uki/keys/db.key"

  init() throws { root = try TemporaryDirectory() }

  private func apply(_ signing: DKMSSigning) throws -> [String] {
    let files = try root.host().files
    let steps = try signing.steps(from: DKMSFiles(of: files))
    for step in steps { try step.perform(on: files) }
    return steps.map(\.description)
  }

  /// The variables after bash has sourced the settings, as dkms does.
  private func sourced() throws -> String {
    let script = #"mok_signing_key=none; . "$1"; echo "$mok_signing_key $mok_certificate""#
    let output = try ExternalTool("bash").run(["-ec", script, "bash", root.path(of: DKMSSigning.path)])
    return String(decoding: output, as: UTF8.self)
  }

  @Test func bothFilesAreWrittenOnceAndFollowTheCertificate() throws {
    let first = try DKMSSigning(key: Self.key, certificate: [1, 2, 3])
    #expect(try apply(first) == ["write \(DKMSSigning.certificatePath)", "write \(DKMSSigning.path)"])
    #expect(try root.read(DKMSSigning.certificatePath) == [1, 2, 3])
    #expect(try apply(first) == [])
    #expect(try apply(DKMSSigning(key: Self.key, certificate: [4])) == ["write \(DKMSSigning.certificatePath)"])
  }

  /// dkms overwrites the key if the certificate is missing.
  @Test func dkmsIsNotPointedToMissingFiles() throws {
    try #require(try FileSystem().exists("/etc/hostname"))
    _ = try apply(DKMSSigning(key: "/etc/hostname", certificate: [1]))
    // The certificate's path is that of the host, not of the test's root.
    let path = try #require(try root.read(DKMSSigning.path))
    #expect(
      String(decoding: path, as: UTF8.self).contains(
        "[ -f '/etc/hostname' ] && [ -f '\(DKMSSigning.certificatePath)' ]"))
    #expect(try sourced() == "none \n")
    let there = String(decoding: path, as: UTF8.self).split(separator: "\n").map { line in
      line.hasPrefix("if ") ? "if [ -f '/etc/hostname' ]; then" : String(line)
    }
    try root.write(DKMSSigning.path, there.joined(separator: "\n") + "\n")
    #expect(try sourced() == "/etc/hostname \(DKMSSigning.certificatePath)\n")
  }

  @Test func disablingRemovesBothFilesButNotAForeignOne() throws {
    _ = try apply(DKMSSigning(key: Self.key, certificate: [1]))
    #expect(try apply(DKMSSigning()) == ["remove \(DKMSSigning.path)", "remove \(DKMSSigning.certificatePath)"])
    #expect(try apply(DKMSSigning()) == [])
    try root.write(DKMSSigning.path, "mok_signing_key=/root/mine\n")
    #expect(try apply(DKMSSigning()) == [])
  }

  @Test func tokensAreNamedByTheirURI() throws {
    _ = try apply(DKMSSigning(key: "pkcs11:token=hosts;object=db", certificate: [1]))
    let text = String(decoding: try #require(try root.read(DKMSSigning.path)), as: UTF8.self)
    #expect(
      text.contains(
        "if [ -f '\(DKMSSigning.certificatePath)' ]; then\n  mok_signing_key='pkcs11:token=hosts;object=db'"))
  }

  @Test(arguments: [
    "handle:0x81000001", "pkcs11:object=db?pin-value=1234", "/etc/it's", "/etc/a b", "/etc/$(reboot)", "/etc/\u{e4}",
    "/etc/a\"b", "/etc/`id`", "/etc/a\\b",
  ])
  func unusableKeysAreRejectedWithoutShowingThem(_ key: String) throws {
    let error = try #require(thrown(BootEnvironmentError.self) { _ = try DKMSSigning(key: key, certificate: [1]) })
    #expect(error.hint != nil && !error.description.contains(key))
  }

  /// A file to be removed need not be readable.
  @Test func anUnreadableCertificateIsRemoved() throws {
    try root.write(DKMSSigning.certificatePath, [UInt8](repeating: 0, count: 70_000))
    #expect(try apply(DKMSSigning()) == ["remove \(DKMSSigning.certificatePath)"])
  }
}
