// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import Reconcile
import TestSupport
import Testing

@Suite struct HookProgramTests {
  private let scene: HookScene

  init() throws { scene = try HookScene() }

  @Test(arguments: HookScene.all) func anImageIsBuiltOnceAndReportedInOneLine(hook: String) throws {
    let first = try scene.run(hook)
    #expect(first.code == 0 && first.text == HookScene.signed)
    for hook in HookScene.all {
      let second = try scene.run(hook)
      #expect(second.code == 0 && second.text.isEmpty && second.changes == 0)
    }
  }

  @Test(arguments: ["'configure' '1.2'", "\"configure\"", "\tconfigure 1.2", "configure\n"])
  func quotedParametersOfTheKernelPackageAreUnderstood(parameters: String) throws {
    let result = try scene.run(HookScene.postinst, parameters: parameters)
    #expect(result.code == 0 && result.text == HookScene.signed)
  }

  @Test func upgradesAreIgnored() throws {
    for hook in [HookScene.postinst, HookScene.postrm] {
      let result = try scene.run(hook, parameters: "upgrade 6.8.12-11")
      #expect(result.code == 0 && result.text.isEmpty && result.changes == 0)
    }
    #expect(try scene.run(HookScene.postinst, parameters: "configure ").text == HookScene.signed)
  }

  @Test(arguments: HookScene.all) func aFailureIsReportedAndRecordedWithoutFailingTheHook(hook: String) throws {
    try scene.directory.write("etc/pve-sb-uki/keys/db.key", "no key")
    let result = try scene.run(hook)
    #expect(result.code == 0 && result.text.hasPrefix("pve-sb-uki: error: ") && result.text.contains("db.key"))
    #expect(try FailureRecord.load(from: scene.directory.host().files) != nil)
  }

  @Test func strictModeFailsOnlyThePostinst() throws {
    try scene.directory.write("etc/pve-sb-uki/keys/db.key", "no key")
    try scene.settings("Strict=yes\n")
    #expect(try scene.run(HookScene.postinst).code == 1)
    #expect(try scene.run(HookScene.postrm).code == 0)
    #expect(try scene.run(HookScene.postUpdate).code == 0)
  }

  @Test(arguments: HookScene.all) func invalidSettingsAreReported(hook: String) throws {
    try scene.settings("Strict=yes\nBogus=yes\n")
    let result = try scene.run(hook)
    #expect(result.code == 0 && result.text.contains("pve-sb-uki.conf, line 2") && result.text.contains("\nhint: "))
  }

  @Test func aKernelWithoutInitrdIsReportedOnlyByItsPostinst() throws {
    scene.remove("boot/initrd.img-\(HookScene.release)")
    let result = try scene.run(HookScene.postinst)
    #expect(result.code == 0 && result.text.contains("error: kernel \(HookScene.release) gets no UKI"))
    #expect(try scene.run(HookScene.postUpdate).text.isEmpty)
  }

  @Test(arguments: HookScene.all) func skippedRunsAreSilent(hook: String) throws {
    try scene.settings("Enabled=no\n")
    #expect(try scene.run(hook) == HookScene.Outcome(code: 0, text: "", changes: 0))
    try scene.settings("")
    scene.remove("etc/pve-sb-uki/keys/db.key")
    #expect(try scene.run(hook) == HookScene.Outcome(code: 0, text: "", changes: 0))
    scene.move("efi", to: "not-efi")
    #expect(try scene.run(hook) == HookScene.Outcome(code: 0, text: "", changes: 0))
  }

  @Test func aDirectCallPointsToApply() throws {
    let result = try scene.run("/usr/libexec/pve-sb-uki/pve-sb-uki-hook")
    #expect(result.code == 2 && result.text.contains("pve-sb-uki apply"))
  }
}
