// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Cryptography
import EFIData
import Findings
import HostCommands
import HostScenes
import HostSystem
import Messages
import SecureBoot
import TestSupport
import Testing

@Suite struct EnrolMOKTests {
  private func failure(_ enrol: EnrolMOK = EnrolMOK(), _ host: Host) -> Failure? {
    thrown(Failure.self) { try enrol.run(on: host) }
  }

  @Test func theRequestIsFiledAndShownScreenByScreen() throws {
    let scene = try GuideScene.withShim()
    let calls = Collected<[String]>()
    let result = try EnrolMOK().run(on: scene.hostWithMokutil(arguments: { calls.append($0) }))
    #expect(result.outcome == .requested && result.nextCommand == "systemctl reboot" && result.notes.isEmpty)
    let sha1 = try ExternalTool("openssl").run([
      "x509", "-in", scene.directory.path(of: "etc/pve-sb-uki/keys/db.crt"), "-noout", "-fingerprint", "-sha1",
    ])
    let fingerprint = String(decoding: sha1, as: UTF8.self).split(separator: "=")[1].filter { $0.isHexDigit }
    #expect(result.screens.contains { $0.contains("SHA-1 \(fingerprint)") })
    #expect(result.screens.contains { $0.contains("within 60 seconds") })
    #expect(calls.all.count == 2 && calls.all[0].count == 2 && calls.all[1] == ["--timeout", "60"])
    // The copy for mokutil is gone.
    #expect(try FileSystem().linkStatus(of: calls.all[0][1]) == nil)
    // A second run files nothing.
    let again = try EnrolMOK().run(on: scene.hostWithMokutil(arguments: { _ in Issue.record("mokutil was run") }))
    #expect(again.outcome == .pending && again.nextCommand == "systemctl reboot")
  }

  @Test func aTrustedCertificateNeedsNoRequest() throws {
    let scene = try GuideScene.withShim()
    try scene.put(.machineOwnerKeys, certificates: [scene.certificate()])
    let host = try scene.hostWithMokutil(arguments: { _ in Issue.record("mokutil was run") })
    #expect(try EnrolMOK().run(on: host).outcome == .trusted)
    // Its removal is pending.
    try scene.put(.removedMachineOwnerKeys, certificates: [scene.certificate()])
    let result = try EnrolMOK().run(on: host)
    #expect(result.outcome == .trusted && result.notes.contains { $0.contains("--revoke-delete") })
    let findings = try Status().run(on: host).findings
    #expect(findings.first { $0.kind == .mokRemovalRequested }?.command == "mokutil --revoke-delete")
  }

  @Test func dkmssKeyCanBeRequestedToo() throws {
    let scene = try GuideScene.withShim()
    try scene.put(.machineOwnerKeys, certificates: [scene.certificate()])
    let path = scene.directory.path(of: "dkms.der")
    try ExternalTool("openssl").run([
      "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=DKMS module signing key", "-keyout",
      scene.directory.path(of: "dkms.key"), "-outform", "DER", "-out", path, "-addext",
      "extendedKeyUsage=codeSigning,1.3.6.1.4.1.2312.16.1.2",
    ])
    var enrol = EnrolMOK()
    enrol.others = [path]
    let result = try enrol.run(on: scene.hostWithMokutil())
    #expect(result.outcome == .requested && result.certificates.map(\.subject) == ["CN = DKMS module signing key"])
    #expect(result.notes.contains { $0.contains("only for kernel modules") })
    // That request is not about the signing key.
    let finding = try Status().run(on: scene.host()).findings.first { $0.kind == .mokRequestPending }
    #expect(finding?.message.contains("DKMS module signing key") == true)
    enrol.others = [scene.directory.path(of: "dkms.key")]
    #expect(throws: (any Error).self) { try enrol.run(on: scene.hostWithMokutil()) }
  }

  @Test func aHashFileReplacesThePrompt() throws {
    let scene = try GuideScene.withShim()
    var enrol = EnrolMOK()
    enrol.hashFile = scene.directory.path(of: "hash of mine")
    #expect(
      failure(enrol, try scene.hostWithMokutil())?.hint?.hasSuffix("--generate-hash > '\(enrol.hashFile!)'") == true)
    try scene.directory.write("hash of mine", "$6$salt$hash\n")
    let calls = Collected<[String]>()
    var host = try scene.hostWithMokutil(arguments: { calls.append($0) })
    host.terminal = Terminal(isThere: { false }, readLine: { nil })
    #expect(try EnrolMOKTests.suffix(calls, after: enrol.run(on: host)) == ["--hash-file", enrol.hashFile!])
    try scene.directory.host().files.remove(
      "\(EFIVariableStore.directory)/\(EFIVariableName.requestedMachineOwnerKeys.fileName)")
    #expect(failure(EnrolMOK(), host)?.message.contains("needs a terminal") == true)
  }

  private static func suffix(_ calls: Collected<[String]>, after result: EnrolMOK.Result) -> [String] {
    Array(calls.all[0].suffix(2))
  }

  @Test func mokutilThatFailsOrFilesNothingIsAnError() throws {
    let scene = try GuideScene.withShim()
    #expect(
      failure(EnrolMOK(), try scene.hostWithMokutil(exitCode: 255, files: false))?.message.contains("exit code 255")
        == true)
    #expect(failure(EnrolMOK(), try scene.hostWithMokutil(files: false))?.message.contains("is missing among") == true)
    #expect(try scene.state().stage == .notEnrolled)
  }

  @Test func aDryRunFilesNothing() throws {
    let scene = try GuideScene.withShim()
    var enrol = EnrolMOK()
    enrol.isDryRun = true
    let recorder = MutationRecorder()
    var host = try scene.hostWithMokutil(arguments: { _ in Issue.record("mokutil was run") })
    host.files = try FileSystem(root: scene.directory.path, gate: recorder.gate)
    let result = try enrol.run(on: host)
    #expect(result.outcome == .planned && !result.screens.isEmpty && recorder.mutations.isEmpty)
  }

  // MARK: What shim or MokManager would not do

  @Test func shimHasToStartNext() throws {
    let scene = try GuideScene.withShim()
    let files = try scene.directory.host().files
    try files.remove("/boot/efi/EFI/BOOT/mmx64.efi")
    var error = failure(EnrolMOK(), try scene.hostWithMokutil())
    #expect(error?.message.contains("EFI/BOOT/mmx64.efi (MokManager) does not start: the file does not exist") == true)
    #expect(error?.hint?.contains("apt install --reinstall shim-signed shim-helpers-amd64-signed") == true)
    try scene.directory.write("boot/efi/EFI/BOOT/mmx64.efi", "garbage")
    #expect(failure(EnrolMOK(), try scene.hostWithMokutil())?.message.contains("(MokManager) does not start") == true)
    // Another program there is started by the firmware itself.
    try scene.put(.secureBoot, [0])
    try scene.directory.write("boot/efi/EFI/BOOT/BOOTX64.EFI", Fixture.bytes(of: "systemd-boot-trixie"))
    error = failure(EnrolMOK(), try scene.hostWithMokutil())
    #expect(error?.message.contains("does not go through shim") == true)
    #expect(error?.hint?.hasSuffix("pve-sb-uki config set Chain shim && pve-sb-uki apply") == true)
  }

  @Test func aRejectedShimIsNamed() throws {
    let scene = try GuideScene.withShim()
    try scene.put(.signatureDatabase, certificates: [SigningKey("Another").certificate.der])
    let error = failure(EnrolMOK(), try scene.hostWithMokutil())
    #expect(
      error?.message.contains("the firmware rejects shim") == true && error?.hint?.contains("enroll --stage") == true)
  }

  @Test func mokutilHasToBeInstalled() throws {
    let scene = try GuideScene.withShim()
    try scene.directory.host().files.remove("/usr/bin/mokutil")
    #expect(failure(EnrolMOK(), try scene.hostWithMokutil())?.hint == "run: apt install mokutil")
    #expect(try scene.state().nextCommand == "apt install mokutil")
  }

  /// shim does not trust such a certificate for images, even from its own list.
  @Test func aKeyForModulesCannotSignUKIs() throws {
    let scene = try GuideScene.withShim()
    let (key, certificate) = (scene.directory.path(of: "mok.key"), scene.directory.path(of: "mok.crt"))
    try ExternalTool("openssl").run([
      "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Secure Boot Module Signature key",
      "-keyout",
      key, "-out", certificate, "-addext", "extendedKeyUsage=codeSigning,1.3.6.1.4.1.2312.16.1.2",
    ])
    try scene.settings("Key=/mok.key\nCertificate=/mok.crt\nChain=shim\n")
    #expect(failure(EnrolMOK(), try scene.hostWithMokutil())?.message.contains("only for kernel modules") == true)
    try scene.put(
      .machineOwnerKeys, certificates: [ExternalTool("openssl").run(["x509", "-in", certificate, "-outform", "DER"])])
    let state = try scene.state()
    #expect(state.stage == .rejected && state.findings.first?.message.contains("only for kernel modules") == true)
  }

  @Test func requestsAreForTheRunningMachine() throws {
    let scene = try GuideScene.withShim()
    var host = try scene.hostWithMokutil()
    host.isRunningSystem = false
    #expect(failure(EnrolMOK(), host)?.hint?.contains("without --root") == true)
  }

  // MARK: Pending requests

  @Test(arguments: [
    (EFIVariableName.requestedForbiddenKeys, "mokutil --mokx --revoke-import"),
    (.removedMachineOwnerKeys, "mokutil --revoke-delete"),
  ]) func aRequestThatEndsTrustIsReported(_ variable: EFIVariableName, _ command: String) throws {
    let scene = try GuideScene.withShim()
    try scene.put(variable, certificates: [scene.certificate()])
    let findings = try Status().run(on: scene.host()).findings
    #expect(findings.first { $0.kind == .mokRemovalRequested }?.command?.description == command)
    try scene.put(variable, certificates: [SigningKey("Another").certificate.der])
    #expect(try !Status().run(on: scene.host()).findings.contains { $0.kind == .mokRemovalRequested })
  }

  /// A password without keys removes all keys.
  @Test func aResetIsARemoval() throws {
    let scene = try GuideScene.withShim()
    try scene.put(.machineOwnerKeysPassword, [1])
    let findings = try Status().run(on: scene.host()).findings
    #expect(findings.first { $0.kind == .mokRemovalRequested }?.command == "mokutil --revoke-import")
  }
}
