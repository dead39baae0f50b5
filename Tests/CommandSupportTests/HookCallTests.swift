// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
import Testing

@Suite struct HookCallTests {
  private func call(_ arguments: [String], _ parameters: String? = nil) -> HookCall? {
    HookCall(arguments: arguments, maintainerParameters: parameters)
  }

  @Test(arguments: [
    ("/etc/kernel/postinst.d/zz-pve-sb-uki", HookCall.Place.kernelPostinst),
    ("/etc/kernel/postrm.d/zz-pve-sb-uki", .kernelPostrm),
    ("/etc/initramfs/post-update.d//zz-pve-sb-uki", .initramfsPostUpdate),
    ("//etc//kernel//postinst.d//any-name", .kernelPostinst),
    ("./kernel/postrm.d/x", .kernelPostrm),
  ])
  func theDirectorySaysWhichHook(path: String, place: HookCall.Place) {
    #expect(call([path, "6.1.0", "/boot/vmlinuz-6.1.0"])?.place == place)
    #expect(call([path, "6.1.0"])?.release == "6.1.0")
    #expect(call([path])?.release == nil)
  }

  @Test(arguments: [
    [], [""], ["/"], ["pve-sb-uki-hook"], ["/usr/libexec/pve-sb-uki/pve-sb-uki-hook"], ["postinst.d/x"],
    ["/etc/kernel/preinst.d/x"], ["/etc/initramfs/postinst.d/x"], ["/etc/kernel/postinst.d"],
  ])
  func otherPathsAreNoHook(arguments: [String]) { #expect(call(arguments) == nil) }

  /// Debian's kernels say `configure ` with a space behind it on first install, Proxmox's say nothing.
  @Test(
    arguments: [
      ("postinst.d", nil, true), ("postinst.d", "", true), ("postinst.d", "configure ", true),
      ("postinst.d", "configure 6.1.0-1", true), ("postinst.d", "upgrade 6.1", false),
      ("postinst.d", "abort-upgrade 6.1", false), ("postinst.d", "configured", false), ("postrm.d", nil, true),
      ("postrm.d", "remove", true), ("postrm.d", "purge", true), ("postrm.d", "upgrade 6.1.0-2", false),
      ("postrm.d", "abort-install", false),
    ] as [(String, String?, Bool)])
  func maintainerParametersForbid(directory: String, parameters: String?, wanted: Bool) {
    #expect(call(["/etc/kernel/\(directory)/x", "6.1"], parameters)?.isToBeHeeded == wanted)
  }

  @Test func initrdsAreAlwaysHeeded() {
    #expect(call(["/etc/initramfs/post-update.d//x", "6.1"], "upgrade 1")?.isToBeHeeded == true)
  }
}
