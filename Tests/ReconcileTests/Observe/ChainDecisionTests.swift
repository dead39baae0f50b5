// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import Cryptography
import EFIData
import HostScenes
import HostSystem
import Reconcile
import SecureBoot
import TestSupport
import Testing

@Suite struct ChainDecisionTests {
  let scene: LoaderScene
  init() throws {
    scene = try LoaderScene()
    try putFlag(.secureBoot, 1)
    try putFlag(.setupMode, 0)
  }

  private func putFlag(_ variable: EFIVariableName, _ value: UInt8) throws {
    try scene.directory.write("sys/firmware/efi/efivars/\(variable.fileName)", [6, 0, 0, 0, value])
  }
  private func put(_ variable: EFIVariableName, _ certificate: Certificate) throws {
    let owner = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
    let data = SignatureDatabase(certificates: [certificate.der], owner: owner).serialize()
    let content = EFIVariableContent(attributes: .keyDatabase, data: data)
    try scene.directory.write("sys/firmware/efi/efivars/\(variable.fileName)", content.serialize())
  }

  private func decide(_ setting: Configuration.Chain = .auto) throws -> ChainDecision {
    var configuration = Configuration()
    configuration.chain = setting
    return try ChainDecision(
      of: scene.directory.host(), configuration: configuration, certificate: scene.key.certificate, evidence: nil,
      esps: [scene.files()])
  }

  /// shim signed with a certificate that may be in db.
  private func signShim(by key: SigningKey) throws {
    let path = scene.directory.path(of: BootPrograms.amd64.shim)
    try LoaderScene.sign(path, to: path, by: key)
  }

  @Test func theChainIsDirectIfTheFirmwareTrustsTheKey() throws {
    try put(.signatureDatabase, scene.key.certificate)
    try put(.machineOwnerKeys, scene.key.certificate)
    let decision = try decide()
    #expect(decision.chain == .direct && decision.trust.isAccepted)
  }

  @Test func anUntrustedKeyKeepsTheHostsChain() throws {
    let decision = try decide()
    #expect(decision.chain == .direct && !decision.trust.isAccepted)
    try scene.directory.write("esp/loader/loader.conf", "timeout 3\n")
    #expect(try decide().chain == .systemdBoot)
  }

  @Test func theChainIsShimIfOnlyShimTrustsTheKey() throws {
    let microsoft = try LoaderScene.otherKey()
    try signShim(by: microsoft)
    try put(.signatureDatabase, microsoft.certificate)
    try put(.machineOwnerKeys, scene.key.certificate)
    let decision = try decide()
    #expect(decision.chain == .shim(starting: .image) && decision.trust.isAccepted)
    #expect(try decide(.direct).trust.isAccepted == false)
    let shim = try decide(.shim)
    #expect(shim.chain == decision.chain && shim.trust == decision.trust)
  }

  /// Secure Boot is temporarily off: an entry that bypasses shim would not start once it is on again.
  @Test func theChainIsShimAlsoWhileSecureBootIsOff() throws {
    try putFlag(.secureBoot, 0)
    #expect(try decide().chain == .direct)
    try put(.machineOwnerKeys, scene.key.certificate)
    let decision = try decide()
    #expect(decision.chain == .shim(starting: .image) && decision.trust.isAccepted)
    try put(.signatureDatabase, scene.key.certificate)
    #expect(try decide().chain == .direct)
  }

  /// A machine owner key does not make the firmware start shim.
  @Test func theFirmwareMustTrustShimItself() throws {
    try signShim(by: LoaderScene.otherKey())
    try put(.machineOwnerKeys, scene.key.certificate)
    let decision = try decide()
    #expect(decision.chain == .shim(starting: .image))
    guard case .refused(let reason, let hint) = decision.trust else {
      Issue.record("db does not contain shim's signer")
      return
    }
    #expect(reason.hasPrefix("the firmware rejects shim: ") && hint.contains("Microsoft"))
    try put(.machineOwnerKeys, LoaderScene.otherKey().certificate)
    try put(.signatureDatabase, scene.key.certificate)
    #expect(try !decide(.shim).trust.isAccepted)
    try putFlag(.secureBoot, 0)
    #expect(try decide(.shim).trust.isAccepted)
  }

  /// The trusted key signs it, but shim requires a newer one.
  @Test func shimMustAcceptSystemdBoot() throws {
    let microsoft = try LoaderScene.otherKey()
    try signShim(by: microsoft)
    try put(.signatureDatabase, microsoft.certificate)
    try put(.machineOwnerKeys, scene.key.certificate)
    try scene.directory.write("esp/loader/loader.conf", "timeout 3\n")
    for (generation, isAccepted) in [(1, true), (2, false)] {
      let level = Array("sbat,1,2030010100\nsystemd-boot,\(generation)\n".utf8)
      let file = EFIVariableName.revocationLevel.fileName
      try scene.directory.write("sys/firmware/efi/efivars/\(file)", [6, 0, 0, 0] + level)
      let decision = try decide()
      #expect(decision.chain == .shim(starting: .systemdBoot))
      #expect(decision.trust.isAccepted == isAccepted)
      guard !isAccepted, case .refused(let reason, _) = decision.trust else { continue }
      #expect(reason.hasPrefix("shim rejects systemd-boot: its SBAT data names systemd-boot 1"), "\(reason)")
    }
  }
}
