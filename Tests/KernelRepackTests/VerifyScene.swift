// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Cryptography
import HostSystem
import KernelRepack
import TestSupport

/// A kernel package built by dpkg-deb, and a second one from the same tree with a signature and a test's changes.
final class VerifyScene {
  static let kernel = "6.1.0-1-pve"
  static let image = "boot/vmlinuz-\(kernel)"
  static let module = "lib/modules/\(kernel)/kernel/a.ko"
  static let packedModule = "lib/modules/\(kernel)/kernel/b.ko.xz"
  static let name = "proxmox-kernel-\(kernel)"

  let directory: TemporaryDirectory
  let key: SigningKey
  var original: String { directory.path(of: "original.deb") }
  var repacked: String { directory.path(of: "repacked.deb") }
  private let keyFile: ScratchFile
  private let certificateFile: ScratchFile
  var certificate: String { certificateFile.path }
  private let options: [String]

  /// `options` are passed to dpkg-deb for both packages.
  init(key: SigningKey, options: [String] = ["-Zxz", "-z0"]) throws {
    directory = try TemporaryDirectory()
    self.key = key
    self.options = options
    keyFile = try key.keyFile()
    certificateFile = try key.certificateFile()
    try directory.write(
      "o/DEBIAN/control", Self.control(version: "6.1.0-1", size: 1000, description: "a kernel\n long"))
    try directory.write("o/DEBIAN/postinst", "#!/bin/sh\nexit 0\n", mode: 0o755)
    try directory.write("o/\(Self.image)", Fixture.stub252.bytes())
    try directory.write("o/boot/config-\(Self.kernel)", "CONFIG_MODULE_SIG_HASH=\"sha256\"\n")
    try directory.write("o/\(Self.module)", [UInt8](repeating: 0x7f, count: 3000))
    try directory.write("o/usr/share/doc/\(Self.name)/copyright", "GPL-2\n")
    let packed = try ExternalTool("xz").run(["-c", "--check=crc32"], input: [UInt8](repeating: 0x3f, count: 5000))
    try directory.write("o/\(Self.packedModule)", packed)
    try build("o", as: original)
    try ExternalTool("cp").run(["-a", directory.path(of: "o"), directory.path(of: "n")])
  }

  static func control(version: String, size: Int, description: String, fields: String = "", package: String = name)
    -> String
  {
    """
    Package: \(package)
    Version: \(version)
    Architecture: amd64
    Maintainer: Nobody <n@example.org>
    Installed-Size: \(size)
    Depends: busybox
    \(fields)Description: \(description)

    """
  }

  /// Builds a package from `tree`, with md5sums of all files if `sums`.
  private func build(_ tree: String, as output: String, sums: Bool = true) throws {
    let root = directory.path(of: tree)
    if sums {
      try shell(
        "cd '\(root)' && find . -path ./DEBIAN -prune -o -type f -printf '%P\\n' | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums"
      )
    }
    try ExternalTool("env").run(
      ["SOURCE_DATE_EPOCH=1700000000", "dpkg-deb", "--root-owner-group"] + options + ["-b", root, output])
  }

  func shell(_ script: String) throws { try ExternalTool("sh").run(["-ec", script]) }

  func path(_ name: String) -> String { directory.path(of: "n/\(name)") }
  func write(_ name: String, _ text: String, mode: UInt32 = 0o644) throws {
    try directory.write("n/\(name)", text, mode: mode)
  }

  /// Signs the image with `sbsign` and updates the fields of `control`.
  func sign() throws {
    try ExternalTool("sbsign").run(
      ["--key", keyFile.path, "--cert", certificateFile.path, "--output", path(Self.image), path(Self.image)])
    try write("DEBIAN/control", control())
  }

  /// The control file for the current files.
  func control(version: String = "6.1.0-1+0sb1", growth: Int = 0, fields: String = "", package: String = name) throws
    -> String
  {
    let before = try directory.read("o/\(Self.image)")?.count ?? 0
    let after = try directory.read("n/\(Self.image)")?.count ?? 0
    return Self.control(
      version: version, size: 1000 + (after + 1023) / 1024 - (before + 1023) / 1024 + growth,
      description: "a kernel\n long\n .\n Repacked with signatures of CN=somebody.", fields: fields, package: package)
  }

  /// Builds the repacked package and compares it with the original.
  func verify(sums: Bool = true, certificates: [String] = []) throws -> VerifyRepack.Report {
    try build("n", as: repacked, sums: sums)
    return try report(certificates: certificates)
  }

  func report(certificates: [String] = []) throws -> VerifyRepack.Report {
    try VerifyRepack(original: original, repacked: repacked, certificates: certificates).run(on: directory.host())
  }
}

extension VerifyRepack.Report {
  /// Kinds and subjects of the findings that are problems.
  var problems: [String] { findings.filter { !$0.isExpected }.map { "\($0.kind.rawValue) \($0.subject)" } }
  var expected: [String] { findings.filter(\.isExpected).map { "\($0.kind.rawValue) \($0.subject)" } }
}
