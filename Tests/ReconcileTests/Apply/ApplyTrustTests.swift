// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import Cryptography
import EFIData
import Glibc
import HostCommands
import HostScenes
import HostSystem
import Messages
import Reconcile
import TestSupport
import Testing

/// Promises I1 and I3 with Secure Boot on: a UKI that the machine starts is not replaced by one that it would reject.
@Suite struct ApplyTrustTests {
  private let machine: MirrorScene
  private let serials = MirrorScene.serials
  private static let keys = Result { (try SigningKey(), try SigningKey("Another db")) }

  init() throws {
    let key = try Self.keys.get().0
    machine = try MirrorScene(key: key, isApplied: false)
    try machine.directory.write(BootPrograms.amd64.systemdBoot, Fixture.systemdBoot257.bytes())
    try machine.put(.secureBoot, [1])
    try machine.put(.setupMode, [0])
    try enrol(key)
  }

  private func enrol(_ key: SigningKey) throws {
    let owner = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
    let data = SignatureDatabase(certificates: [key.certificate.der], owner: owner).serialize()
    let content = EFIVariableContent(attributes: .keyDatabase, data: data)
    try machine.directory.write(
      "\(EFIVariableStore.directory)/\(EFIVariableName.signatureDatabase.fileName)", content.serialize())
  }

  private func bootFromOurs() throws {
    let first = try #require(try machine.variables().order.first)
    try machine.put(.bootCurrent, BootOrder([first]).serialize())
  }

  @Test(arguments: ["direct", "systemd-boot"]) func anUnenrolledKeyDoesNotReplaceWorkingImages(chain: String) throws {
    try machine.directory.write(Configuration.path, "Chain=\(chain)\n")
    try machine.directory.write(ProxmoxLists.manualPath, MirrorScene.older)
    #expect(try machine.apply().failures.isEmpty)
    try bootFromOurs()
    func contents() throws -> [[UInt8]?] {
      var contents: [[UInt8]?] = []
      for serial in serials {
        contents.append(try machine.image(serial, MirrorScene.newer))
        contents.append(try machine.image(serial, MirrorScene.older))
        contents.append(try machine.directory.read(machine.path(serial, LoaderPath.amd64.systemdBoot)))
      }
      return contents
    }
    let (good, order) = (try contents(), try machine.order())
    let other = try Self.keys.get().1
    try machine.use(other)
    for number in 1...2 {
      try machine.directory.write("boot/initrd.img-\(MirrorScene.newer)", "change \(number)")
      let result = try machine.apply()
      #expect(result.failures.count == 2 && result.failures.allSatisfy { $0.hint != nil })
      #expect(result.totals.map(\.kept) == [2, 2] && result.totals.allSatisfy { $0.count == 2 && $0.unchanged == 0 })
      #expect(try contents() == good)
      #expect(try machine.order() == order)
    }
    // A kernel without a UKI gets one, after those that boot.
    try machine.scene.addKernel("6.8.12-11-pve")
    try machine.apply()
    #expect(try contents() == good && machine.image(serials[1], "6.8.12-11-pve") != nil)
    #expect(try Array(machine.order().prefix(order.count)) == order)
    try enrol(other)
    #expect(try machine.apply().failures.isEmpty)
    #expect(try zip(contents(), good).allSatisfy { $0 != $1 || $0 == nil })
  }

  /// The key is trusted, but shim requires a newer systemd-stub than that in the UKIs.
  @Test func imagesRevokedByTheirSBATDataAreNotPreferred() throws {
    let directory = machine.directory
    try directory.write(Configuration.path, "Chain=shim\n")
    try directory.write(BootPrograms.amd64.shim, Fixture.bytes(of: "shim-trixie"))
    try directory.write(BootPrograms.amd64.mokManager, Fixture.bytes(of: "grub-trixie"))
    // The firmware knows shim by its digest.
    let printed = try ExternalTool("pesign").result(["-h", "-d", "sha256", "-i", Fixture.path(of: "shim-trixie")]).text
    let digest = try #require(
      [UInt8](hexadecimal: printed.split(whereSeparator: { $0 == " " || $0 == "\n" }).last ?? ""))
    func put(_ variable: EFIVariableName, _ type: SignatureType, _ data: [UInt8]) throws {
      let owner = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
      try machine.put(
        variable,
        SignatureDatabase(lists: [SignatureList(type: type, signature: .init(owner: owner, data: data))]).serialize())
    }
    try put(.signatureDatabase, .sha256, digest)
    try put(.machineOwnerKeys, .x509, Self.keys.get().0.certificate.der)
    func setLevel(_ generation: Int) throws {
      try machine.put(.revocationLevel, Array("sbat,1,2030010100\nsystemd-stub,\(generation)\n".utf8))
    }
    try setLevel(2)
    let result = try machine.apply()
    #expect(result.failures.count == 2)
    #expect(result.failures.allSatisfy { $0.description.contains("systemd-stub 1, but shim requires 2") })
    #expect(try machine.order().first == "grubx64.efi on 0")
    let entry = try #require(try machine.variables().order.first { $0 != 0 })
    let error = thrown(Failure.self) { try BootPrefer().prefer(BootEntryNumber(entry), on: machine.host()) }
    #expect(error?.description.contains("but shim requires 2") == true, "\(String(describing: error))")

    try setLevel(1)
    #expect(try machine.apply().failures.isEmpty)
    #expect(try machine.order().first == "shimx64.efi on 0")
    #expect(try !BootPrefer().prefer(BootEntryNumber(machine.variables().order[0]), on: machine.host()).isChange)
  }
}
