// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import HostCommands
import HostSystem
import Messages
import SigningKeys
import TestSupport
import Testing

@Suite struct SignImageTests {
  let directory: TemporaryDirectory
  let image: String
  let copy: String

  init() throws {
    directory = try TemporaryDirectory()
    try OpenSSL.makeKeys(in: directory)
    try directory.write("kernel.efi", try Fixture.kernel61.bytes(), mode: 0o640)
    image = directory.path(of: "kernel.efi")
    copy = directory.path(of: "copy.efi")
  }

  func sign(_ change: (inout SignImage) -> Void = { _ in }) throws -> SignImage.Result {
    var sign = SignImage(
      path: image, key: KeySource(key: directory.path(of: "rsa.key"), certificate: directory.path(of: "rsa.crt")))
    change(&sign)
    var host = try directory.host()
    host.now = { OpenSSL.now }
    return try sign.run(on: host)
  }

  func signatureCount(_ path: String) throws -> Int {
    let listing = String(decoding: try ExternalTool("sbverify").run(["--list", path]), as: UTF8.self)
    return listing.split(separator: "\n").count { $0.hasPrefix("signature ") }
  }

  @Test func anImageIsSignedInPlaceOnlyOnce() throws {
    let first = try sign()
    #expect(first.wasWritten && first.signaturesBefore == 1 && first.signaturesAfter == 2)
    #expect(try signatureCount(image) == 2)
    let written = try directory.read("kernel.efi")
    #expect(try !sign().wasWritten)
    #expect(try directory.read("kernel.efi") == written)
    #expect(try FileSystem().status(of: image)?.mode == 0o640)
  }

  @Test func signingToAnotherFileAddsNoDuplicate() throws {
    _ = try sign()
    let result = try sign { $0.output = copy }
    #expect(result.wasWritten && result.signaturesAfter == 2)
    #expect(try directory.read("copy.efi") == directory.read("kernel.efi"))
  }

  /// Without a key option the key in the settings signs, not the file at the default path.
  @Test func theConfiguredKeyIsUsed() throws {
    try directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Key=/srv/sign.key\nCertificate=/srv/sign.crt\n")
    for (source, target) in [("rsa.key", "srv/sign.key"), ("rsa.crt", "srv/sign.crt")] {
      let content = try #require(try directory.read(source))
      try directory.write(target, content, mode: 0o600)
    }
    #expect(try sign { $0.key = nil }.wasWritten)
    try ExternalTool("sbverify").run(["--cert", directory.path(of: "rsa.crt"), image])
    try directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Keys=x\n")
    #expect(throws: BootEnvironmentError.self) { try sign { $0.key = nil } }
  }

  @Test func replaceLeavesOnlyTheNewSignature() throws {
    _ = try sign { $0.replacesExisting = true }
    #expect(try signatureCount(image) == 1)
    try ExternalTool("sbverify").run(["--cert", directory.path(of: "rsa.crt"), image])
  }

  @Test func aTruncatedImageIsRejectedAndUnchanged() throws {
    let half = Array(try Fixture.kernel61.bytes().prefix(4_000_000))
    try directory.write("kernel.efi", half)
    let failure = thrown(Failure.self) { try sign() }
    #expect(failure?.description.contains("kernel.efi") == true)
    #expect(try directory.read("kernel.efi") == half)
  }
}
