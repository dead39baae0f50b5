// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import KernelRepack
import Messages
import SigningKeys
import TestSupport

/// Packages that a test builds with dpkg-deb, tar and ar, and the repacked ones.
final class RepackScene {
  static let kernel = "6.1.0-1-pve"
  static let name = "proxmox-kernel-\(kernel)"
  static let version = "6.1.0-1"
  private static let key = Result { try SigningKey("Ours") }

  let directory: TemporaryDirectory
  private let keyFile: ScratchFile
  private let certificateFile: ScratchFile

  init() throws {
    directory = try TemporaryDirectory()
    keyFile = try Self.key.get().keyFile()
    certificateFile = try Self.key.get().certificateFile()
    try directory.write("image", Fixture.stub252.bytes())
    try directory.write("module", [UInt8](repeating: 0x7f, count: 3000))
  }

  var certificate: String { certificateFile.path }

  @discardableResult
  func shell(_ script: String) throws -> String {
    let release = "cd '\(directory.path)'; IMAGE='\(directory.path)/image'; MODULE='\(directory.path)/module'; "
    return String(
      decoding: try ExternalTool("bash").run(["-euo", "pipefail", "-c", "\(release)K=\(Self.kernel); \(script)"]),
      as: UTF8.self)
  }

  /// Builds a package from the files that `script` makes in an empty tree.
  ///
  /// `archive` are the names for tar, to write an archive that dpkg-deb would not write; `unlisted` is a pattern of paths
  /// that are left out of md5sums.
  func build(
    _ script: String, package: String = name, archive: String? = nil, unlisted: String = "^$",
    compression: String = "xz"
  ) throws -> String {
    let tree = "tree-\(package)"
    try shell(
      """
      rm -rf \(tree); mkdir -p \(tree)/DEBIAN \(tree)/boot \(tree)/usr/share/doc/\(package); cd \(tree)
      echo GPL-2 >usr/share/doc/\(package)/copyright
      \(script)
      printf '%s\\n' 'Package: \(package)' 'Version: \(Self.version)' 'Architecture: amd64' 'Maintainer: a <a@example.org>' \
        'Installed-Size: 100' 'Provides: linux-image' 'Description: a kernel' >DEBIAN/control
      find . -path ./DEBIAN -prune -o -type f -printf '%P\\n' | grep -v '\(unlisted)' | LC_ALL=C sort |
        xargs md5sum >DEBIAN/md5sums
      cd ..
      SOURCE_DATE_EPOCH=1700000000 dpkg-deb --root-owner-group -Z\(compression) -b \(tree) \(package).deb >/dev/null
      """)
    if let archive {
      try shell(
        """
        tar -C \(tree) --format=gnu --owner=root:0 --group=root:0 --no-recursion -cf data.tar \(archive)
        rm -f data.tar.xz; xz -0 --block-size=64KiB data.tar; ar x \(package).deb debian-binary control.tar.xz; rm \(package).deb
        ar rcD \(package).deb debian-binary control.tar.xz data.tar.xz
        """)
    }
    return directory.path(of: "\(package).deb")
  }

  /// Repacks packages into `out`.
  func repack(_ packages: [String], change: (inout Repack) -> Void = { _ in }) throws -> [Repack.Outcome] {
    var repack = Repack(inputs: packages, outputDirectory: directory.path(of: "out"), toolVersion: "1")
    repack.signing = .key(KeySource(key: keyFile.path, certificate: certificate))
    repack.jobs = 2
    change(&repack)
    return try repack.run(on: directory.host())
  }

  /// Repacks one package; throws its failure.
  func repackOne(_ package: String, change: (inout Repack) -> Void = { _ in }) throws -> PackageReport {
    switch try repack([package], change: change)[0].result {
    case .repacked(let report): return report
    case .failed(let failure): throw failure
    case .configuration: throw Failure("unchanged")
    }
  }

  /// Checks a repacked package with independent tools: md5sums, and the signature of the image at `image`.
  func check(_ report: PackageReport, image: String? = nil) throws {
    try shell("rm -rf o; dpkg-deb -R '\(report.output.path)' o; cd o; md5sum --quiet -c DEBIAN/md5sums >&2")
    if let image {
      try ExternalTool("sbverify").run(["--cert", certificate, directory.path(of: "o/\(image)")])
    }
  }

  /// Problems that `--verify` finds.
  func problems(_ package: String, _ report: PackageReport) throws -> [String] {
    try VerifyRepack(original: package, repacked: report.output.path, certificates: [certificate])
      .run(on: directory.host()).problems
  }
}
