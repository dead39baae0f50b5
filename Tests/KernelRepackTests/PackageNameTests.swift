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
    _ package: String, version: String = "6.8.12-10", naming: PackageNaming = .keep, suffix: String = "+sb1"
  ) throws -> PackageName {
    try PackageName(
      ControlStanza.Identity(package: package, version: version, architecture: "amd64"), naming: naming,
      suffix: suffix)
  }

  @Test(arguments: ["6.8.12-10", "6.1.192-2", "1:6.14.0-2~bpo12+1", "7.0"])
  func newVersionsSortCorrectlyInDpkg(_ version: String) throws {
    let new = try Self.name("linux-image-6", version: version).newVersion
    #expect(new == version + "+sb1")
    try ExternalTool("dpkg").run(["--compare-versions", new, "gt", version])
    let next = try #require(PackageName.nextBuild(after: version))
    try ExternalTool("dpkg").run(["--compare-versions", new, "lt", next])
  }

  @Test(arguments: ["~sb1", "9", "-sb1", "+s b", "+s/1"])
  func anUnsuitableSuffixIsRejected(_ suffix: String) {
    #expect(thrown(Failure.self) { try Self.name("linux-image-6", suffix: suffix) }?.hint != nil)
  }

  @Test func theFileNameOmitsTheEpoch() throws {
    #expect(try Self.name("a-b", version: "2:1.0-1").fileName("amd64") == "a-b_1.0-1+sb1_amd64.deb")
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
          Version: 6.8.12-10+sb1
          Architecture: amd64
          Maintainer: somebody <s@example.org>
          Installed-Size: 103
          Depends: busybox, initramfs-tools | linux-initramfs-tool
          Replaces: proxmox-kernel-6.8.12-10-pve
          Conflicts: proxmox-kernel-6.8.12-10-pve
          Provides: linux-image-6.8.12-10-pve-amd64, proxmox-kernel-6.8.12-10-pve
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
}
