// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import StartupCheck
import TestSupport
import Testing

@Suite struct InstalledModulesTests {
  private let scene: StartupScene
  init() throws { scene = try StartupScene() }

  private func modules(_ dependencies: String, builtIn: String = "") throws -> InstalledModules {
    try scene.writeModules(dependencies: dependencies, builtIn: builtIn)
    return try InstalledModules(of: scene.kernel, in: scene.host().files)
  }

  @Test func aModuleIsFoundByItsWholeName() throws {
    let modules = try modules(
      """
      kernel/drivers/md/dm-mod-extra.ko.zst:
      kernel/drivers/md/dm_mod.ko.xz: kernel/drivers/dax/dax.ko.xz kernel/drivers/md/dm-bufio.ko
      kernel/drivers/dax/dax.ko.xz:
      first.ko.gz:
      kernel/drivers/other.txt:
      kernel/drivers/unfinished.ko
      """, builtIn: "kernel/drivers/md/dm-bufio.ko\nkernel/fs/ext4/ext4.ko")
    #expect(!modules.isEmpty)
    for name in ["dm_mod", "dm_mod_extra", "dax", "first", "unfinished"] {
      #expect(modules.isLoadable(name), "\(name)")
    }
    for name in ["mod", "dm", "dm_mod_extr", "dm_mod.ko", "ax", "other", "ext4", "irst", "", "kernel"] {
      #expect(!modules.isLoadable(name), "\(name)")
    }
    #expect(modules.isBuiltIn("ext4") && modules.isBuiltIn("dm_bufio") && !modules.isBuiltIn("dax"))
    #expect(modules.missing(for: "dm_mod", from: []) == ["dm_mod", "dax"])
    #expect(modules.missing(for: "dm_mod", from: ["dm_mod"]) == ["dax"])
    #expect(modules.missing(for: "ext4", from: []).isEmpty && modules.missing(for: "none", from: []).isEmpty)
  }

  @Test func damagedListsHaveNoModules() throws {
    #expect(try modules("").isEmpty && modules("\n:\n/:\nx: y.ko\n\u{fffd}").isEmpty)
    let valid = Array("kernel/a-b.ko: kernel/c.ko.xz\nkernel/c.ko.xz:\n".utf8)
    for variant in Mutations(of: valid, count: 1000) {
      try scene.directory.write("lib/modules/\(StartupScene.release)/modules.dep", variant)
      let modules = try InstalledModules(of: scene.kernel, in: scene.host().files)
      #expect(modules.missing(for: "a_b", from: []).isEmpty == !modules.isLoadable("a_b"))
    }
  }
}
