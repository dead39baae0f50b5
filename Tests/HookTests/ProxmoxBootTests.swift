// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import TestSupport
import Testing

/// The hook that replaces Proxmox's, with the diverted original next to it.
@Suite struct ProxmoxBootTests {
  private static let original = "etc/kernel/postinst.d/zz-proxmox-boot.distrib"
  private static let tool = "usr/sbin/proxmox-boot-tool"
  private static let call =
    "/etc/kernel/postinst.d/zz-proxmox-boot.distrib \(HookScene.release) /boot/vmlinuz-\(HookScene.release)"
  private let scene: HookScene

  init() throws {
    scene = try HookScene()
    try scene.directory.write(Self.original, "#!/bin/sh\n", mode: 0o755)
    try scene.directory.write(Self.tool, "#!/bin/sh\n", mode: 0o755)
  }

  private func run(_ arguments: [String]? = nil, parameters: String? = nil) throws -> HookScene.Outcome {
    try scene.run(HookScene.proxmoxBoot, arguments: arguments, parameters: parameters)
  }

  @Test func theOriginalRunsWithTheSameArgumentsBeforeTheBuild() throws {
    let outcome = try run()
    #expect(outcome.code == 0 && outcome.text == HookScene.signed)
    #expect(scene.started == [Self.call])
    _ = try run([])
    #expect(scene.started.last == "/etc/kernel/postinst.d/zz-proxmox-boot.distrib")
  }

  @Test func theOriginalsFailureIsReturnedAfterTheBuild() throws {
    scene.startedCode = 7
    let outcome = try run()
    #expect(outcome.code == 7 && outcome.text == HookScene.signed)
  }

  /// The original evaluates DEB_MAINT_PARAMS itself.
  @Test func theOriginalRunsForEveryMaintainerAction() throws {
    let outcome = try run(parameters: "upgrade 6.8.12-11")
    #expect(outcome.code == 0 && outcome.text.isEmpty && scene.started == [Self.call])
  }

  @Test func theOriginalIsNotDeferredInATransaction() throws {
    _ = try scene.preInvoke()
    #expect(try run().text.isEmpty)
    #expect(scene.started == [Self.call])
    #expect(try scene.postInvoke().text == HookScene.signed)
  }

  @Test func otherHooksDoNotRunTheOriginal() throws {
    for hook in [HookScene.postinst, HookScene.postrm, HookScene.postUpdate] { _ = try scene.run(hook) }
    #expect(scene.started.isEmpty)
  }

  @Test func imagesAreBuiltWithoutTheOriginal() throws {
    scene.remove(Self.original)
    #expect(try run().text == HookScene.signed)
    #expect(scene.started.isEmpty)
  }

  @Test func aNonExecutableOriginalIsNotRun() throws {
    try scene.directory.write(Self.original, "#!/bin/sh\n", mode: 0o644)
    #expect(try run().text == HookScene.signed)
    #expect(scene.started.isEmpty)
  }

  /// The functions that it needs were removed with the package, so it would fail, and with it every kernel package.
  @Test func theLeftoverOfAPurgeIsNotRun() throws {
    scene.remove(Self.tool)
    #expect(try run().text == HookScene.signed)
    #expect(scene.started.isEmpty)
  }

  @Test func theOriginalIsNotRunIfImagesReplaceItsEntries() throws {
    try scene.settings("Type1=remove\n")
    // Until one of pve-sb-uki's UKIs has booted, the machine needs the type 1 entries.
    #expect(try run().text == HookScene.signed)
    #expect(scene.started == [Self.call])
    let name = "var/lib/pve-sb-uki/manifest"
    let manifest = String(decoding: try #require(try scene.directory.read(name)), as: UTF8.self)
    try scene.directory.write(name, manifest.replacing("booted 0", with: "booted 1700000000"))
    #expect(try run().code == 0)
    #expect(scene.started == [Self.call])
  }

  @Test(arguments: ["Type1=keep\n", "Type1=remove\nEnabled=no\n", "Type1=remove\nBogus=yes\n"])
  func theOriginalIsRunIfItsEntriesAreKept(settings: String) throws {
    try scene.settings(settings)
    #expect(try run().code == 0)
    #expect(scene.started == [Self.call])
  }

  @Test func withoutKeysTheOriginalAlwaysRuns() throws {
    try scene.settings("Type1=remove\n")
    scene.remove("etc/pve-sb-uki/keys/db.key")
    let outcome = try run()
    #expect(outcome == HookScene.Outcome(code: 0, text: "", changes: 0) && scene.started == [Self.call])
  }
}
