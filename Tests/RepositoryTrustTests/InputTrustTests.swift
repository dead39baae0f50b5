// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Cryptography
import HostSystem
import Messages
import RepositoryTrust
import TestSupport
import Testing

@Suite struct InputTrustTests {
  let deb = DebIdentity(
    path: "a.deb", sha256: [UInt8](repeating: 0xab, count: 32), package: "a", version: "1", architecture: "amd64")

  @Test func withoutATrustOptionThereIsAWarning() throws {
    let finding = try InputTrust.nothing.establish(for: deb, on: Host())
    #expect(finding == .unchecked && finding.warning?.contains("--sha256") == true)
  }

  @Test func aDigestIsCompared() throws {
    let digest = String(repeating: "ab", count: 32)
    for text in [digest, digest.uppercased()] {
      let finding = try InputTrust.sha256(text).establish(for: deb, on: Host())
      #expect(finding == .digest && finding.warning == nil)
    }
    let other = try InputTrust.sha256(String(repeating: "ac", count: 32))
    let error = thrown(TrustError.self) { try other.establish(for: deb, on: Host()) }
    #expect(error?.rule == .digest && error?.message.contains(digest) == true)
    for text in ["", "ab", digest + "ab", String(repeating: "zz", count: 32), " " + digest] {
      #expect(thrown(TrustError.self) { try InputTrust.sha256(text) }?.rule == .digest)
    }
  }

  @Test func aSignedReleaseVouchesForThePackage() throws {
    let repository = try TestRepository()
    let fingerprint = try repository.gpg(["--with-colons", "--list-keys"]).split(separator: UInt8(ascii: "\n"))
      .map { String(decoding: $0, as: UTF8.self) }.first { $0.hasPrefix("fpr:") }?
      .split(separator: ":").last.map(String.init)
    for name in ["InRelease", "Release"] {
      for keyring in ["keys.gpg", "keys.asc"] {
        let file = "\(repository.dists)/\(name)"
        let finding = try repository.establish(file, keyring: repository.directory.path(of: keyring))
        guard case .release(let release) = finding else { return #expect(Bool(false)) }
        #expect(release.signers == [fingerprint] && release.origin == "Test" && release.suite == "stable")
        #expect(release.file == file && release.index == repository.index && release.date != nil)
        #expect(finding.warning == nil)
      }
    }
    #expect(try repository.directory.list("").filter { $0.hasSuffix(".tmp") } == [])
  }

  /// With any compression, and in apt's lists, where the release file may lack a digest for apt's own compression.
  @Test func theIndexIsFoundCompressedAndInAptsLists() throws {
    let repository = try TestRepository()
    let files = FileSystem()
    for suffix in ["", ".xz", ".gz"] {
      try files.remove(repository.index + suffix)
      let finding = try repository.establish()
      guard case .release(let release) = finding else { return #expect(Bool(false)) }
      #expect(release.index == repository.index + (["": ".xz", ".xz": ".gz", ".gz": ".zst"][suffix] ?? ""))
    }
    let lists = repository.directory.path(of: "lists/example.org_debian_dists_test_")
    try repository.directory.write(
      "lists/example.org_debian_dists_test_InRelease", try files.readFile(repository.inRelease, limit: 1 << 20))
    #expect(repository.reason(lists + "InRelease") == .index)
    let packed = try files.readFile(repository.index + ".zst", limit: 1 << 20)
    let plain = try ExternalTool("zstd").run(["-dc"], input: packed)
    for (tool, suffix) in [("lz4", ".lz4"), ("xz", ".xz"), ("cat", "")] {
      let name = "lists/example.org_debian_dists_test_main_binary-amd64_Packages\(suffix)"
      try repository.directory.write(name, try ExternalTool(tool).run(tool == "cat" ? [] : ["-c"], input: plain))
      #expect(try repository.establish(lists + "InRelease") != .unchecked)
      try files.remove(repository.directory.path(of: name))
    }
  }

  @Test func textWithoutAValidSignatureIsRejected() throws {
    let repository = try TestRepository()
    let signed = try FileSystem().readFile(repository.inRelease, limit: 1 << 20)
    func with(_ bytes: [UInt8]) throws -> TrustRule? {
      try repository.directory.write("dists/test/InRelease", bytes)
      return repository.reason()
    }
    let text = String(decoding: signed, as: UTF8.self)
    #expect(try with(Array(text.replacingFirst("Origin: Test", with: "Origin: Evil").utf8)) == .signature)
    #expect(try with(Array("Origin: Evil\n".utf8)) == .signature)
    // Text around the signed part is ignored.
    #expect(try with(Array("Origin: Evil\n\n\(text)Suite: evil\n".utf8)) == nil)
    let release = try FileSystem().readFile("\(repository.dists)/Release", limit: 1 << 20)
    try repository.directory.write("dists/test/Release", release + Array("Label: evil\n".utf8))
    #expect(repository.reason("\(repository.dists)/Release") == .signature)
    try repository.directory.write("dists/test/InRelease", signed)
    let other = try TestRepository()
    let error = thrown(TrustError.self) { try repository.establish(keyring: other.keyring) }
    #expect(error?.rule == .signature && error?.message.contains("No public key") == true)
    try repository.directory.write("keys.gpg", "no keys")
    #expect(repository.reason() == .signature)
    try repository.sign(digest: "SHA1")
    #expect(repository.reason(keyring: repository.directory.path(of: "keys.asc")) == .signature)
  }

  /// The outputs of gpgv 2.2.40 for an expired and a revoked key, and for an expired signature.
  @Test(arguments: [
    ("EXPKEYSIG 3C86679CC30DB56A Exp <e@x>", 0, "by key 3C86679CC30DB56A, which has expired"),
    ("REVKEYSIG 3C86679CC30DB56A Rev <r@x>", 0, "by key 3C86679CC30DB56A, which its owner has revoked"),
    ("EXPSIG 3C86679CC30DB56A Sig <r@x>", 0, "by key 3C86679CC30DB56A has expired"),
    // A crash after a good signature.
    ("GOODSIG 3C86679CC30DB56A Good <g@x>", 139, "gpgv ended with status 139"),
    ("GOODSIG 3C86679CC30DB56A Good <g@x>", 2, "gpgv ended with status 2"),
  ])
  func aSignatureThatIsNotValidIsExplained(_ line: String, _ status: Int, _ expected: String) throws {
    let repository = try TestRepository()
    let error = thrown(TrustError.self) {
      try SignedRelease(
        repository.inRelease, keyring: repository.keyring, on: host(of: repository, line: line, status: Int32(status)))
    }
    #expect(error?.rule == .signature && error?.message.contains(expected) == true, "\(String(describing: error))")
    #expect(error?.message.contains("Good signature") == false && error?.hint != nil)
  }

  private func host(of repository: TestRepository, line: String, status: Int32) throws -> Host {
    let fingerprint = "3C86679CC30DB56A065E5D9DD79AAAF8DECEFA9F"
    let output = """
      [GNUPG:] NEWSIG e@x
      [GNUPG:] \(line)
      [GNUPG:] VALIDSIG \(fingerprint) 2025-01-05 1736035200 0 4 0 1 10 01 \(fingerprint)

      """
    var host = try repository.host
    host.processes = ProcessRunner(
      run: { _, _ in status },
      collect: { _, _, _ in
        ProcessOutput(
          status: status, output: Array(output.utf8), errors: Array("gpgv: Good signature from \"Exp <e@x>\"\n".utf8))
      })
    return host
  }

  /// gpgv ends with 2 if one of several signatures is by a key that is not in the keyring.
  @Test func aSignatureByAnUnknownKeyIsIgnored() throws {
    let repository = try TestRepository()
    try repository.gpg(["--passphrase", "", "--quick-gen-key", "Other <o@example.org>", "rsa2048", "sign", "never"])
    let release = try FileSystem().readFile("\(repository.dists)/Release", limit: 1 << 20)
    let signers = ["-u", "test@example.org", "-u", "o@example.org"]
    try repository.directory.write(
      "dists/test/InRelease", try repository.gpg(signers + ["--output", "-", "--clearsign"], input: release))
    _ = try ExternalTool("gpgconf").result(["--homedir", repository.directory.path(of: "gpg"), "--kill", "all"])
    #expect(repository.reason() == nil)
  }

  /// The signed size is compared before the file is read.
  @Test(arguments: ["", ".xz"]) func aHugeIndexIsNotRead(_ suffix: String) throws {
    let repository = try TestRepository()
    if suffix == ".xz" { try FileSystem().remove(repository.index) }
    try ExternalTool("truncate").run(["-s", "64G", repository.index + suffix])
    let clock = ContinuousClock()
    let time = clock.measure { #expect(repository.reason() == .index) }
    #expect(time < .seconds(5))
  }

  @Test func anIndexThatDoesNotMatchTheReleaseIsRejected() throws {
    let repository = try TestRepository()
    let index = try FileSystem().readFile(repository.index, limit: 1 << 20)
    for changed in [index + [10], Array(index.dropLast()), []] {
      try repository.directory.write("dists/test/main/binary-amd64/Packages", changed)
      #expect(repository.reason() == .index)
    }
    try FileSystem().remove(repository.index)
    let packed = try FileSystem().readFile(repository.index + ".xz", limit: 1 << 20)
    try repository.directory.write("dists/test/main/binary-amd64/Packages.xz", packed + [0, 0, 0, 0])
    #expect(repository.reason() == .index)
    for suffix in [".xz", ".gz", ".zst"] { try FileSystem().remove(repository.index + suffix) }
    #expect(repository.reason() == .index)
  }

  @Test func thePackageMustMatchItsIndexEntry() throws {
    let repository = try TestRepository()
    func reason(_ change: (inout DebIdentity) -> Void) -> TrustRule? {
      var deb = repository.deb
      change(&deb)
      return thrown(TrustError.self) {
        try InputTrust.release(SignedRelease(repository.inRelease, keyring: repository.keyring, on: repository.host))
          .establish(for: deb, on: repository.host)
      }?.rule
    }
    #expect(reason { _ in } == nil)
    #expect(reason { $0.sha256[0] ^= 1 } == .absent)
    #expect(reason { $0.version = "1:2.0-2" } == .index)
    #expect(reason { $0.package = "other-kernel" } == .index)
    #expect(reason { $0.architecture = "arm64" } == .release)
  }

  @Test func anExpiredReleaseIsRejected() throws {
    let repository = try TestRepository()
    try repository.sign(["Valid-Until: Sun, 01 Mar 2020 00:00:01 UTC"])
    let error = thrown(TrustError.self) { try repository.establish() }
    #expect(error?.rule == .release && error?.message.contains("2020-03-01 00:00:01 UTC") == true)
    // date -u -d '9999-12-31 23:59:59' +%s
    try repository.sign(["Valid-Until: Fri, 31 Dec 9999 23:59:59 +0000"])
    guard case .release(let release) = try repository.establish() else { return #expect(Bool(false)) }
    #expect(release.validUntil == CalendarDate(seconds: 253_402_300_799))
    for wrong in [
      "tomorrow", "Fri, 31 Dec 9999 23:59:59 +0100", "Fri, 31 Dec 9999 23:59 UTC", "Fri, -1 Dec 2026 1:1:1 UTC",
    ] {
      try repository.sign(["Valid-Until: \(wrong)"])
      #expect(repository.reason() == .release)
    }
    try repository.sign(["Suite: stable"])
    #expect(repository.reason() == .release)
  }

  @Test func aMissingGpgvIsReported() throws {
    let repository = try TestRepository()
    var host = try repository.host
    host.processes = ProcessRunner { program, _ in throw HostError("run", program, errno: 2) }
    let error = thrown(HostError.self) {
      try SignedRelease(repository.inRelease, keyring: repository.keyring, on: host)
    }
    #expect(error?.path == "gpgv" && error?.hint?.contains("install gpgv") == true)
    let absent = thrown(HostError.self) {
      try SignedRelease(repository.inRelease, keyring: "/nonexistent/keys", on: repository.host)
    }
    #expect(absent?.path == "/nonexistent/keys")
  }
}

extension String {
  fileprivate func replacingFirst(_ part: String, with other: String) -> String {
    guard let start = indices.first(where: { self[$0...].hasPrefix(part) }) else { return self }
    return self[..<start] + other + self[index(start, offsetBy: part.count)...]
  }
}
