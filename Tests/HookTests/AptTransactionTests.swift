// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Cryptography
import HostSystem
import Reconcile
import TestSupport
import Testing

@Suite struct AptTransactionTests {
  private static let other = "6.8.12-11-pve"
  private static let silence = HookScene.Outcome(code: 0, text: "", changes: 0)
  private let scene: HookScene

  init() throws { scene = try HookScene() }

  private func pending() throws -> PendingWork? { try PendingWork.load(from: scene.directory.host().files) }
  private func images() throws -> [String] { try scene.directory.list("efi/EFI/Linux") }

  @Test func manyHooksCauseOneRunAtTheEnd() throws {
    #expect(try scene.preInvoke().text.isEmpty)
    try scene.addKernel(Self.other)
    for hook in HookScene.all {
      let outcome = try scene.run(hook)
      #expect(outcome.code == 0 && outcome.text.isEmpty)
    }
    #expect(try scene.run(HookScene.program, arguments: ["reconcile"]).text.isEmpty)
    #expect(try images().isEmpty)
    #expect(try pending() == PendingWork(time: SigningKey.now, releases: [HookScene.release]))
    let end = try scene.postInvoke()
    #expect(end.code == 0 && end.text == HookScene.signed(Self.other) + HookScene.signed)
    #expect(try images() == ["pve-\(HookScene.release).efi", "pve-\(Self.other).efi"])
    #expect(try pending() == nil)
    #expect(try scene.postInvoke() == Self.silence)
    // Later commands in the same environment are no longer part of it.
    try scene.directory.write("boot/initrd.img-\(HookScene.release)", "changed")
    #expect(try scene.run(HookScene.postUpdate).text == HookScene.signed)
  }

  @Test(arguments: HookScene.all) func recordedWorkIsNotWrittenAgain(hook: String) throws {
    _ = try scene.preInvoke()
    _ = try scene.run(HookScene.postinst)
    #expect(try scene.run(hook) == Self.silence)
  }

  @Test(arguments: HookScene.all) func nothingIsDeferredWithoutAMarkOrOutsideApt(hook: String) throws {
    scene.environment["DPKG_FRONTEND_LOCKED"] = "true"
    #expect(try scene.run(hook).text == HookScene.signed)
    _ = try scene.preInvoke()
    scene.environment["DPKG_FRONTEND_LOCKED"] = nil
    try scene.directory.write("boot/initrd.img-\(HookScene.release)", "changed")
    #expect(try scene.run(hook).text == HookScene.signed)
  }

  @Test(arguments: HookScene.all) func nothingIsDeferredAfterAptWasKilled(hook: String) throws {
    _ = try scene.preInvoke()
    try scene.killApt()
    #expect(try scene.run(hook).text == HookScene.signed)
  }

  @Test func strictModeReportsImmediately() throws {
    try scene.settings("Strict=yes\n")
    _ = try scene.preInvoke()
    #expect(try scene.run(HookScene.postinst).text == HookScene.signed)
    try scene.directory.write("etc/pve-sb-uki/keys/db.key", "no key")
    try scene.directory.write("boot/initrd.img-\(HookScene.release)", "changed")
    #expect(try scene.run(HookScene.postUpdate).text.isEmpty)
    #expect(try scene.run(HookScene.postinst).code == 1)
  }

  @Test func aKernelWithoutInitrdIsReportedAtTheEnd() throws {
    _ = try scene.preInvoke()
    try scene.addKernel(Self.other)
    scene.remove("boot/initrd.img-\(HookScene.release)")
    _ = try scene.run(HookScene.postinst)
    let end = try scene.postInvoke()
    #expect(end.code == 0 && end.text.contains("error: kernel \(HookScene.release) gets no UKI"))
    #expect(try images() == ["pve-\(Self.other).efi"])
    // It stays pending and is reported again after the next apt run.
    #expect(try pending()?.releases == [HookScene.release])
    #expect(try scene.postInvoke().text.contains("error: kernel \(HookScene.release) gets no UKI"))
    try scene.addKernel()
    #expect(try scene.postInvoke().text == HookScene.signed)
    #expect(try pending() == nil)
  }

  @Test func aKernelRemovedInTheSameRunIsNotReported() throws {
    _ = try scene.preInvoke()
    try scene.addKernel(Self.other)
    _ = try scene.run(HookScene.postinst)
    scene.remove("boot/vmlinuz-\(HookScene.release)")
    scene.remove("boot/initrd.img-\(HookScene.release)")
    _ = try scene.run(HookScene.postrm)
    #expect(try scene.postInvoke().text == HookScene.signed(Self.other))
    #expect(try pending() == nil)
  }

  @Test func aLastingFailureIsRepeatedWithoutFailingApt() throws {
    try scene.directory.write("etc/pve-sb-uki/keys/db.key", "no key")
    for _ in 0..<2 {
      _ = try scene.preInvoke()
      #expect(try scene.run(HookScene.postinst).text.isEmpty)
      let end = try scene.postInvoke()
      #expect(end.code == 0 && end.text.hasPrefix("pve-sb-uki: error: ") && end.text.contains("db.key"))
    }
    #expect(try pending() != nil)
  }

  /// The key is not enrolled, which is a matter of `status`: each apt run would repeat it for weeks.
  @Test func theStateOfEnrolmentIsReportedWithTheWorkOnly() throws {
    func put(_ name: String, _ vendor: String, _ data: [UInt8]) throws {
      try scene.directory.write("sys/firmware/efi/efivars/\(name)-\(vendor)", [7, 0, 0, 0] + data)
    }
    _ = try scene.run(HookScene.postinst)
    try put("SecureBoot", "8be4df61-93ca-11d2-aa0d-00e098032b8c", [1])
    let certificate = try ExternalTool("openssl").run([
      "x509", "-in", scene.directory.path(of: "etc/pve-sb-uki/keys/db.crt"), "-outform", "DER",
    ])
    // A signature list (UEFI 2.10 section 32.4.1): type X.509, sizes, owner, certificate.
    func four(_ number: Int) -> [UInt8] { (0..<4).map { UInt8(number >> (8 * $0) & 0xff) } }
    let type: [UInt8] = [
      0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72,
    ]
    let list = type + four(44 + certificate.count) + four(0) + four(16 + certificate.count)
    try put(
      "db", "d719b2cb-3d3a-4596-a3bc-dad00e67656f", list + [UInt8](repeating: 1, count: 16) + certificate)
    let other = try SigningKey("Another db")
    try scene.directory.write("etc/pve-sb-uki/keys/db.key", other.identity.key.serializedPEM(), mode: 0o600)
    try scene.directory.write("etc/pve-sb-uki/keys/db.crt", other.certificate.serializedPEM())

    _ = try scene.preInvoke()
    #expect(try scene.run(HookScene.postinst).text.isEmpty)
    let end = try scene.postInvoke()
    #expect(end.code == 0 && end.text.contains("the firmware would reject the new UKI"))
    #expect(try pending() == nil)
    _ = try scene.preInvoke()
    let later = try scene.postInvoke()
    #expect(later.code == 0 && later.text.isEmpty)
  }

  /// A kernel without a UKI is work to be done, so it is repeated, as one sentence.
  @Test func aKeyThatIsAwayIsRepeatedInOneSentence() throws {
    try lockKey()
    for _ in 0..<2 {
      _ = try scene.preInvoke()
      _ = try scene.run(HookScene.postinst)
      let end = try scene.postInvoke()
      #expect(end.code == 0 && end.text.split(separator: "\n").count == 2)
      #expect(end.text.contains("db.key is protected by a passphrase: kernel \(HookScene.release) waits"))
    }
  }

  private func lockKey() throws {
    let path = scene.directory.path(of: "etc/pve-sb-uki/keys/db.key")
    try ExternalTool("openssl").run(["pkey", "-in", path, "-aes256", "-passout", "pass:x", "-out", "\(path).new"])
    scene.move("etc/pve-sb-uki/keys/db.key.new", to: "etc/pve-sb-uki/keys/db.key")
  }

  /// The running machine, with firmware and systemd.
  private func runsSystemd(_ isRunning: Bool = true) throws {
    try scene.directory.write("sys/firmware/efi/fw_platform_size", "64\n")
    // There are no mounts.
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Esp=/efi\n")
    if isRunning { try scene.directory.write("run/systemd/system/unit", "") }
    scene.isRunningSystem = true
  }

  private static let startService = "systemctl start --no-block pve-sb-uki.service"
  private static let dropIn = "etc/systemd/system/pve-sb-uki.service.d/passphrase.conf"

  /// Nothing in an apt run has the passphrase, but systemd has it for the service.
  @Test(arguments: [
    ("etc/credstore.encrypted/pve-sb-uki.passphrase", "x"),
    ("run/credstore.encrypted/pve-sb-uki.passphrase", "x"),
    (dropIn, "[Service]\nLoadCredential=pve-sb-uki.passphrase:/root/passphrase\n"),
    (dropIn, "[Service]\n LoadCredentialEncrypted = pve-sb-uki.passphrase\n"),
    ("usr/lib/systemd/system/pve-sb-uki.service.d/x.conf", "SetCredentialEncrypted=pve-sb-uki.passphrase: abc\n"),
  ]) func theServiceThatHasThePassphraseIsStarted(path: String, content: String) throws {
    try lockKey()
    try scene.directory.write(path, content)
    try runsSystemd()
    _ = try scene.preInvoke()
    _ = try scene.run(HookScene.postinst)
    let end = try scene.postInvoke()
    #expect(scene.started == [Self.startService])
    #expect(end.code == 0 && end.text.split(separator: "\n").count == 1)
    #expect(end.text.contains("pve-sb-uki.service has it, and now makes the new UKIs"))
    // It is remembered until the service has done it.
    #expect(try pending() != nil)
  }

  @Test(arguments: [
    (dropIn, "#LoadCredential=pve-sb-uki.passphrase\n"), (dropIn, "LoadCredential=other:/root/passphrase\n"),
    (dropIn + ".bak", "LoadCredential=pve-sb-uki.passphrase\n"),
    ("etc/credstore/pve-sb-uki.passphrase", "x"),
    ("usr/lib/systemd/system/pve-sb-uki.service", "LoadCredentialEncrypted=pve-sb-uki.passphrase\n"),
  ]) func aServiceWithoutThePassphraseIsNotStarted(path: String, content: String) throws {
    try lockKey()
    try scene.directory.write(path, content)
    try runsSystemd()
    _ = try scene.preInvoke()
    _ = try scene.run(HookScene.postinst)
    let end = try scene.postInvoke()
    #expect(scene.started.isEmpty && end.text.contains("is protected by a passphrase"))
  }

  @Test func aServiceThatCannotBeStartedLeavesTheFailure() throws {
    try lockKey()
    try scene.directory.write("etc/credstore.encrypted/pve-sb-uki.passphrase", "x")
    try runsSystemd(false)
    #expect(try scene.run(HookScene.postinst).text.contains("is protected by a passphrase"))
    #expect(scene.started.isEmpty)
    try runsSystemd()
    scene.startedCode = 1
    #expect(try scene.run(HookScene.postinst).text.contains("is protected by a passphrase"))
    #expect(scene.started == [Self.startService])
  }

  @Test func aUsableKeyStartsNoService() throws {
    try scene.directory.write("etc/credstore.encrypted/pve-sb-uki.passphrase", "x")
    try runsSystemd()
    #expect(try scene.run(HookScene.postinst).text.contains(HookScene.signed))
    #expect(scene.started.isEmpty)
  }

  @Test func invalidSettingsAreReportedOnce() throws {
    try scene.settings("Bogus=yes\n")
    _ = try scene.preInvoke()
    for hook in HookScene.all { #expect(try scene.run(hook).text.isEmpty) }
    let end = try scene.postInvoke()
    #expect(end.code == 0 && end.text.contains("unknown key 'Bogus'"))
  }

  @Test func nothingIsWrittenIfDisabled() throws {
    try scene.settings("Enabled=no\n")
    #expect(try scene.preInvoke() == Self.silence)
    for hook in HookScene.all { #expect(try scene.run(hook) == Self.silence) }
    #expect(try scene.run(HookScene.program, arguments: ["reconcile"]) == Self.silence)
    #expect(try scene.postInvoke() == Self.silence)
  }

  @Test func withoutAnESPNoWorkStaysPending() throws {
    _ = try scene.preInvoke()
    _ = try scene.run(HookScene.postinst)
    scene.move("efi", to: "not-efi")
    let end = try scene.postInvoke()
    #expect(end.code == 0 && end.text.isEmpty)
    #expect(try pending() == nil)
  }

  @Test(arguments: [[], [""], ["x"], ["-1"], ["20"], ["4711"], ["99999999999999999999"]])
  func anInvalidPreInvokeWritesNoMark(arguments: [String]) throws {
    #expect(try scene.run(HookScene.program, arguments: ["pre-invoke"] + arguments) == Self.silence)
  }
}
