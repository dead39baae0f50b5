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

  /// A certificate table that is damaged in each way: cut off, overlong, of the wrong size, garbage.
  @Test func replacingNeedsNoReadableTable() throws {
    typealias Bytes = CertificateTableBytes
    let stub = try Fixture.stub257.bytes()
    try directory.write("kernel.efi", stub)
    _ = try sign()
    let table = Bytes.table(of: try directory.read("kernel.efi") ?? [])
    let garbage = [UInt8](repeating: 0xa5, count: 1001)
    for (name, damaged) in [
      ("truncated", Array(Bytes.image(stub, table).dropLast(100))),
      ("missing", Bytes.image(stub, [], size: table.count)),
      ("too large in the directory", Bytes.image(stub, table, size: table.count + 8)),
      ("too small in the directory", Bytes.image(stub, table, size: 16)),
      ("garbage", Bytes.image(stub, garbage)),
      ("an overlong entry", Bytes.image(stub, table + Bytes.entry([1], length: 5000))),
      ("an entry without padding", Bytes.image(stub, table + Bytes.entry([1, 2], type: 1, padded: false))),
      ("an unreadable signature", Bytes.image(stub, Bytes.entry(garbage) + table)),
    ] {
      try directory.write("kernel.efi", damaged)
      // Nothing can be added, and nothing is changed.
      let failure = thrown(Failure.self) { try sign() }
      #expect(failure?.description.contains("kernel.efi") == true, "\(name)")
      #expect(failure?.hint?.contains("--replace") == true, "\(name): \(String(describing: failure))")
      #expect(try directory.read("kernel.efi") == damaged, "\(name)")
      let result = try sign { $0.replacesExisting = true }
      #expect(result.wasWritten && result.signaturesAfter == 1, "\(name)")
      #expect(try signatureCount(image) == 1, "\(name)")
      try ExternalTool("sbverify").run(["--cert", directory.path(of: "rsa.crt"), image])
      #expect(Bytes.table(of: try directory.read("kernel.efi") ?? []) == table, "\(name)")
    }
  }

  /// Entries of other types do not matter: firmware skips them.
  @Test func otherEntriesAreKept() throws {
    typealias Bytes = CertificateTableBytes
    let stub = try Fixture.stub257.bytes()
    try directory.write("kernel.efi", Bytes.image(stub, Bytes.entry([1, 2, 3], type: 1)))
    let result = try sign()
    #expect(result.signaturesBefore == 1 && result.signaturesAfter == 2)
    let table = Bytes.table(of: try directory.read("kernel.efi") ?? [])
    #expect(table.starts(with: Bytes.entry([1, 2, 3], type: 1)))
  }

  /// Debian's fwupd, signed by pesign.
  @Test(arguments: Fixture.signedFwupd) func anImageSignedByPesignIsSigned(name: String) throws {
    try directory.write("kernel.efi", try Fixture.bytes(of: name))
    let failure = thrown(Failure.self) { try sign() }
    if failure == nil {
      #expect(try signatureCount(image) == 2)
      try ExternalTool("sbverify").run(["--cert", directory.path(of: "rsa.crt"), image])
    } else {
      #expect(failure?.description.contains("gaps") == true, "\(String(describing: failure))")
    }
  }

  @Test func aTruncatedImageIsRejectedAndUnchanged() throws {
    let half = Array(try Fixture.kernel61.bytes().prefix(4_000_000))
    try directory.write("kernel.efi", half)
    let failure = thrown(Failure.self) { try sign() }
    #expect(failure?.description.contains("kernel.efi") == true)
    #expect(try directory.read("kernel.efi") == half)
  }
}
