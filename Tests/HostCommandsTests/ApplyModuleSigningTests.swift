// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Cryptography
import HostCommands
import HostScenes
import HostSystem
import Messages
import Reconcile
import TestSupport
import Testing

@Suite struct ApplyModuleSigningTests {
  private let scene: ApplyScene

  init() throws { scene = try ApplyScene() }

  private func set(_ settings: String) throws {
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", settings)
  }

  @Test func dkmsIsConfiguredOnlyOnRequest() throws {
    #expect(try scene.apply().moduleSigning.isEmpty)
    try set("Dkms=yes\n")
    let foreseen = try scene.apply { $0.isDryRun = true }
    #expect(try scene.directory.read(DKMSSigning.path) == nil)
    let result = try scene.apply()
    #expect(result.moduleSigning == foreseen.moduleSigning && result.moduleSigning.count == 2 && result.isChange)
    #expect(try scene.directory.read(DKMSSigning.certificatePath) == scene.key.certificate.der)
    #expect(try !scene.apply().isChange)
    try set("")
    #expect(try scene.apply().moduleSigning.count == 2)
    #expect(try scene.directory.read(DKMSSigning.path) == nil)
  }

  @Test func statusReportsAnOutdatedDkmsConfiguration() throws {
    try scene.apply()
    try set("Dkms=yes\n")
    let report = try Status().run(on: scene.host())
    #expect(report.problems.map(\.description) == ["the configuration of dkms does not match Dkms="])
    #expect(report.nextStep == "pve-sb-uki apply")
    try scene.apply()
    #expect(try !Status().run(on: scene.host()).needsAttention)
  }

  @Test func aKeyThatDkmsCannotUseDoesNotAffectImages() throws {
    try set("Dkms=yes\nKey=/etc/pve-sb-uki/keys/it's.key\n")
    try scene.directory.write("etc/pve-sb-uki/keys/it's.key", scene.key.identity.key.serializedPEM(), mode: 0o600)
    let result = try scene.apply()
    #expect(result.images.allSatisfy { $0.state == .signed } && !result.images.isEmpty)
    #expect(result.failures.count == 1 && result.failures[0].hint != nil)
  }
}
