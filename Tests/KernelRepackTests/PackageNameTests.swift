// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import DebianArchive
import KernelRepack
import Messages
import TestSupport
import Testing

@Suite struct PackageNameTests {
  private static func name(
    _ package: String, version: String = "6.8.12-10", naming: PackageNaming = .keep,
    suffix: String = PackageName.defaultSuffix
  ) throws -> PackageName {
    try PackageName(
      ControlStanza.Identity(package: package, version: version, architecture: "amd64"), naming: naming,
      suffix: suffix)
  }

  private static func dpkg(_ one: String, _ relation: String, _ other: String) throws -> Bool {
    try ExternalTool("dpkg").result(["--compare-versions", one, relation, other]).status == 0
  }

  /// Versions of Debian's and Proxmox's kernels with the next version of each.
  @Test(
    "The new version sorts above the old one and below its successor",
    arguments: [
      // Debian: a new revision, a rebuild, security updates of a stable release, an upload by another maintainer.
      ("6.1.52-1", "6.1.55-1"), ("6.12.9-1", "6.12.9-1+b1"), ("6.12.9-1+b1", "6.12.9-1+b2"),
      ("3.2.41-2", "3.2.41-2+deb7u1"), ("3.16.7-ckt11-1", "3.16.7-ckt11-1+deb8u1"),
      ("4.19.67-2", "4.19.67-2+deb10u1"), ("4.19.67-2+deb10u1", "4.19.67-2+deb10u2"), ("4.19.98-1", "4.19.98-1.1"),
      ("6.12.9-1~bpo12+1", "6.12.9-1"), ("6.12.9-1~bpo12+1", "6.12.9-1~bpo12+2"), ("6.1.192-2", "6.1.192-2+1"),
      ("4.19+105+deb10u9", "4.19+105+deb10u10"), ("6.10~rc7-1~exp1", "6.10~rc7-1~exp2"), ("7.2.13-1", "7.2.14-1"),
      // Proxmox: a new build, a backport followed by the release, a build of a Debian version.
      ("6.8.12-9", "6.8.12-10"), ("6.14.8-2~bpo12+1", "6.14.8-2"), ("6.17.2-1", "6.17.2-1+pve1"),
      ("6.17.2-1", "6.17.2-1+pmx1"), ("7.0.14-14", "7.0.14-15"), ("1:6.14.0-2", "1:6.14.0-2+b1"), ("7.0", "7.0.1"),
    ])
  func versionsSortAsDpkgSortsThem(_ version: String, _ successor: String) throws {
    let new = try Self.name("linux-image-6", version: version).newVersion
    #expect(new == version + "+0sb1")
    #expect(try Self.dpkg(new, "gt", version))
    #expect(try Self.dpkg(new, "gt", version + "~bpo12+1"))
    #expect(try Self.dpkg(new, "lt", successor))
    let next = try #require(PackageName.nextBuild(after: version))
    #expect(try Self.dpkg(new, "lt", next))
  }

  @Test(
    "A suffix that sorts wrong is rejected, with a version that it would block",
    arguments: [
      ("+sb1", "6.8.12-10+b1"), ("+c", "6.8.12-10+b1"), (".0", "6.8.12-10+b1"), ("+b1", "6.8.12-10+b1"),
      ("+z", "6.8.12-10+b1"), ("9", "6.8.12-10+b1"), ("~sb1", "6.8.12-10"), ("", "6.8.12-10"),
    ])
  func suffixThatSortsWrongIsRejected(_ suffix: String, _ blocked: String) throws {
    let failure = thrown(Failure.self) { try Self.name("linux-image-6", suffix: suffix) }
    #expect(failure?.message.description.contains(" than \(blocked);") == true)
    #expect(failure?.hint?.description.contains("+0sb1") == true)
    let isNewer = try Self.dpkg("6.8.12-10" + suffix, "gt", "6.8.12-10")
    #expect(try !isNewer || !Self.dpkg("6.8.12-10" + suffix, "lt", blocked))
  }

  @Test("An invalid suffix is rejected", arguments: ["-sb1", "+s b", "+s/1", "+ä"])
  func invalidSuffix(_ suffix: String) {
    #expect(thrown(Failure.self) { try Self.name("linux-image-6", suffix: suffix) }?.hint != nil)
  }

  @Test("Other suffixes are accepted", arguments: ["+0sb1", "+acme2", "+0", "+1acme", "+a.2~3"])
  func suffixThatSortsRight(_ suffix: String) throws {
    #expect(try Self.name("linux-image-6", suffix: suffix).newVersion == "6.8.12-10" + suffix)
  }

  @Test("Versions of a distribution that appends letters get a warning")
  func letteredVersions() throws {
    for version in ["6.8.0-1ubuntu1", "6.8.0-1build2", "5.4ubuntu1"] {
      let name = try Self.name("linux-image-6", version: version)
      #expect(name.warning?.description.contains(version + "build1") == true)
      #expect(try Self.dpkg(name.newVersion, "gt", version + "build1"))
    }
    for version in ["6.12.9-1+b1", "4.19.67-2+deb10u1", "6.12.9-1~bpo12+1", "6.8.0-31.31", "3.16.7-ckt11-1"] {
      #expect(try Self.name("linux-image-6", version: version).warning == nil)
    }
  }

  @Test func theFileNameOmitsTheEpoch() throws {
    #expect(try Self.name("a-b", version: "2:1.0-1").fileName("amd64") == "a-b_1.0-1+0sb1_amd64.deb")
  }

  @Test func proxmoxKernelsKeepTheirNames() throws {
    let kernel = "proxmox-kernel-6.8.12-10-pve"
    #expect(try Self.name(kernel).new == kernel)
    #expect(try Self.name(kernel, naming: .asSigned).new == "\(kernel)-signed")
    #expect(try Self.name("\(kernel)-signed", naming: .asSigned).new == "\(kernel)-signed")
    #expect(try Self.name(kernel, naming: .suffix("-signed")).new == "\(kernel)-signed")
    for suffix in ["-custom", "-custom-signed", "-acme"] {
      let failure = thrown(Failure.self) { try Self.name(kernel, naming: .suffix(suffix)) }
      #expect(failure?.message.description.hasPrefix("proxmox-boot-tool would misread \(kernel)\(suffix):") == true)
    }
    #expect(thrown(Failure.self) { try Self.name("linux-image-6.1", naming: .asSigned) } != nil)
    // proxmox-boot-tool also reads the rest of a metapackage's name as a kernel version.
    #expect(PackageName.isProxmoxKernel("proxmox-kernel-6.8"))
    #expect(!PackageName.isProxmoxKernel("proxmox-kernel-helper"))
    #expect(try Self.name("linux-image-6.1", naming: .suffix("-acme")).new == "linux-image-6.1-acme")
  }

  @Test func theStanzaOfASignedKernelMatchesProxmoxs() throws {
    let stanza = try ControlStanza(
      parsing: Array(
        """
        Package: proxmox-kernel-6.8.12-10-pve
        Source: proxmox-kernel-6.8
        Version: 6.8.12-10
        Architecture: amd64
        Maintainer: somebody <s@example.org>
        Installed-Size: 100
        Depends: busybox, initramfs-tools | linux-initramfs-tool
        Provides: linux-image-6.8.12-10-pve-amd64, pve-kernel-6.8.12-10-pve
        Section: admin
        Description: Proxmox Kernel Image
         This package contains a kernel.

        """.utf8))
    let name = try Self.name("proxmox-kernel-6.8.12-10-pve", naming: .asSigned)
    let new = try stanza.repacked(as: name, growth: 3, signer: "CN = Acme")
    #expect(
      new.serialize()
        == Array(
          """
          Package: proxmox-kernel-6.8.12-10-pve-signed
          Source: proxmox-kernel-6.8 (6.8.12-10)
          Version: 6.8.12-10+0sb1
          Architecture: amd64
          Maintainer: somebody <s@example.org>
          Installed-Size: 103
          Depends: busybox, initramfs-tools | linux-initramfs-tool
          Replaces: proxmox-kernel-6.8.12-10-pve
          Conflicts: proxmox-kernel-6.8.12-10-pve
          Provides: linux-image-6.8.12-10-pve-amd64, proxmox-kernel-6.8.12-10-pve (= 6.8.12-10), \
          proxmox-kernel-6.8.12-10-pve-signed (= 6.8.12-10)
          Section: admin
          Description: Proxmox Kernel Image (signed)
           This package contains a kernel.
           .
           Repacked with signatures of CN = Acme.

          """.utf8))
  }

  @Test func theSourceFieldHasTheVersion() throws {
    let stanza = try ControlStanza(
      parsing: Array("Package: linux-image-6\nVersion: 6.8.12-10\nArchitecture: amd64\n".utf8))
    let new = try stanza.repacked(as: Self.name("linux-image-6"), growth: 0, signer: "x")
    #expect(new["Source"] == "linux-image-6 (6.8.12-10)")
    #expect(new["Installed-Size"] == nil)
    let full = try ControlStanza(parsing: Array("Package: a\nSource: linux (6.1)\nVersion: 6.8.12-10\n".utf8))
    #expect(try full.repacked(as: Self.name("linux-image-6"), growth: 0, signer: "x")["Source"] == "linux (6.1)")
  }

  @Test("The original version is provided, for metapackages that depend on exactly that version")
  func originalVersionIsProvided() throws {
    func provides(_ package: String, _ old: String?, _ naming: PackageNaming = .keep) throws -> String? {
      let field = old.map { "Provides: \($0)\n" } ?? ""
      let stanza = try ControlStanza(parsing: Array("Package: \(package)\nVersion: 6.8.12-10\n\(field)".utf8))
      return try stanza.repacked(as: Self.name(package, naming: naming), growth: 0, signer: "x")["Provides"]
    }
    #expect(try provides("linux-image-6", nil) == "linux-image-6 (= 6.8.12-10)")
    #expect(try provides("linux-image-6", "a, b (= 1)") == "a, b (= 1), linux-image-6 (= 6.8.12-10)")
    #expect(
      try provides("linux-image-6", nil, .suffix("-x")) == "linux-image-6 (= 6.8.12-10), linux-image-6-x (= 6.8.12-10)")
    #expect(
      try provides("pve-kernel-6", "pve-kernel-6.8")
        == "pve-kernel-6.8, pve-kernel-6 (= 6.8.12-10)")
  }
}
