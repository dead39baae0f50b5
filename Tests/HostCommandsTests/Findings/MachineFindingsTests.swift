// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Cryptography
import EFIData
import Findings
import Glibc
import HostCommands
import HostScenes
import HostSystem
internal import Messages
import Reconcile
import TestSupport
import Testing

/// Findings about a host as `status` observes it.
@Suite struct MachineFindingsTests {
  private let scene: ApplyScene

  init() throws {
    scene = try ApplyScene()
    try scene.apply()
  }

  /// The findings; the test fails if collecting them changes anything.
  private func findings() throws -> [Finding] {
    let recorder = MutationRecorder()
    let host = try scene.host(recorder)
    let configuration = try Configuration(of: host.files)
    let survey = try ESPSurvey(of: host, configuration)
    let assessment = try Assessment(
      of: host, configuration: configuration, survey: survey, options: ApplyOptions())
    let found = MachineFindings.collect(on: host, .init(assessment.observation, assessment.plan))
    #expect(recorder.mutations.isEmpty)
    return found
  }

  @Test func aPlainHostHasNone() throws {
    #expect(try findings().map(\.kind) == [])
  }

  @Test func theFactsOfTheObservationAreUsed() throws {
    try scene.directory.write("boot/efi/EFI/keys/noPK.auth", try removal())
    chmod(scene.directory.path(of: "etc/pve-sb-uki/keys/db.key"), 0o644)
    let found = try findings()
    #expect(Set(found.map(\.kind)) == [.keyRemovalOnESP, .secretExposed])
    #expect(found.allSatisfy { $0.command != nil && $0.severity == .attention })
    // Each command ends its finding.
    for finding in found { try ExternalTool("sh").run(["-c", finding.command?.description ?? "false"]) }
    #expect(try findings().map(\.kind) == [])
  }

  @Test func theSigningCertificateHasATerm() throws {
    let host = try scene.host()
    var context = MachineFindings.Context()
    context.certificate = scene.key.certificate
    let terms = CertificateTerms.terms(context, on: host)
    #expect(
      terms == [
        CertificateTerm(
          name: "signing", subject: scene.key.certificate.subject, end: SigningKey.now + 86_400 * 1000)
      ])
  }

  /// An update that deletes PK, signed by keys of this host.
  private func removal() throws -> [UInt8] {
    let root = try TemporaryDirectory()
    try KeysFixture.install(in: root)
    var export = KeysExport()
    export.directory = root.path(of: "out")
    export.isRemoval = true
    _ = try export.run(on: root.host())
    return try root.read("out/noPK.auth") ?? []
  }
}
