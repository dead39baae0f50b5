// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import HostSystem
import Messages
import RepositoryTrust
import TestSupport

/// A repository of one package with a signed release file, made by dpkg-deb, apt-ftparchive and gpg.
struct TestRepository {
  let directory: TemporaryDirectory
  let deb: DebIdentity
  var dists: String { directory.path(of: "dists/test") }
  var keyring: String { directory.path(of: "keys.gpg") }
  var inRelease: String { "\(dists)/InRelease" }
  var index: String { "\(dists)/main/binary-amd64/Packages" }

  init() throws {
    directory = try TemporaryDirectory()
    let control =
      "Package: some-kernel\nVersion: 1:2.0-1\nArchitecture: amd64\nMaintainer: a <a@example.org>\nDescription: b\n"
    try directory.write("tree/DEBIAN/control", control)
    try directory.write("dists/test/main/binary-amd64/Packages", "")
    let path = directory.path(of: "some.deb")
    try ExternalTool("dpkg-deb").run(["-b", directory.path(of: "tree"), path])
    let digest = try ExternalTool("sha256sum").result([path]).text.prefix(64)
    deb = DebIdentity(
      path: path, sha256: [UInt8](hexadecimal: digest) ?? [], package: "some-kernel", version: "1:2.0-1",
      architecture: "amd64")
    try FileSystem().makeDirectory(directory.path(of: "gpg"), mode: 0o700)
    let generate = ["--quick-gen-key", "Test <test@example.org>", "rsa2048", "sign", "never"]
    try gpg(["--passphrase", ""] + generate)
    try directory.write("keys.gpg", try gpg(["--export"]))
    try directory.write("keys.asc", try gpg(["--armor", "--export"]))
    try writeIndex(try ExternalTool("apt-ftparchive").run(["packages", directory.path(of: "some.deb")]))
    try sign()
    // Otherwise gpg-agent keeps running and uses the directory.
    _ = try ExternalTool("gpgconf").result(["--homedir", directory.path(of: "gpg"), "--kill", "all"])
  }

  @discardableResult
  func gpg(_ arguments: [String], input: [UInt8] = []) throws -> [UInt8] {
    let options = ["--homedir", directory.path(of: "gpg"), "--batch", "--quiet", "--pinentry-mode", "loopback"]
    return try ExternalTool("gpg").run(options + arguments, input: input)
  }

  func writeIndex(_ text: [UInt8]) throws {
    try directory.write("dists/test/main/binary-amd64/Packages", text)
    for (tool, suffix) in [("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")] {
      try directory.write(
        "dists/test/main/binary-amd64/Packages.\(suffix)", try ExternalTool(tool).run(["-c", index]))
    }
  }

  /// Writes Release, its signature and InRelease for the current index; `fields` are put first.
  func sign(_ fields: [String] = [], digest: String = "SHA256") throws {
    let options = ["Origin=Test", "Suite=stable"].flatMap { ["-o", "APT::FTPArchive::Release::\($0)"] }
    let text = try ExternalTool("apt-ftparchive").run(options + ["release", dists])
    let release = fields.flatMap { Array("\($0)\n".utf8) } + text
    try directory.write("dists/test/Release", release)
    let signing = ["--digest-algo", digest, "--output", "-"]
    try directory.write("dists/test/InRelease", try gpg(signing + ["--clearsign"], input: release))
    try directory.write("dists/test/Release.gpg", try gpg(signing + ["--detach-sign"], input: release))
  }

  var host: Host {
    get throws {
      var host = try Host()
      host.environment = { [path = directory.path] in $0 == "TMPDIR" ? path : nil }
      return host
    }
  }

  func establish(_ file: String? = nil, keyring other: String? = nil) throws -> TrustFinding {
    let release = try SignedRelease(file ?? inRelease, keyring: other ?? keyring, on: host)
    return try InputTrust.release(release).establish(for: deb, on: host)
  }

  /// The rule of the `TrustError` thrown, or nil.
  func reason(_ file: String? = nil, keyring other: String? = nil) -> TrustRule? {
    thrown(TrustError.self) { try establish(file, keyring: other) }?.rule
  }
}
