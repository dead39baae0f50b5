// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

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
