// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
import TestSupport
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
    ("./kernel/postrm.d/x", .kernelPostrm), ("/etc/kernel/postinst.d/zz-proxmox-boot", .proxmoxBoot),
    ("/etc/kernel/postrm.d/zz-proxmox-boot", .kernelPostrm),
    ("/etc/kernel/postinst.d/zz-proxmox-boot.distrib", .kernelPostinst),
  ])
  func theDirectorySelectsTheHook(path: String, place: HookCall.Place) {
    #expect(call([path, "6.1.0", "/boot/vmlinuz-6.1.0"])?.place == place)
    #expect(call([path, "6.1.0"])?.release == "6.1.0")
    #expect(call([path])?.release == nil)
    #expect(call([path, "", "a b", ""])?.arguments == ["", "a b", ""])
  }

  @Test(arguments: [
    ("pre-invoke", HookCall.Place.aptPreInvoke), ("post-invoke", .aptPostInvoke), ("reconcile", .reconcile),
  ])
  func aDirectCallSelectsTheActionByWord(word: String, place: HookCall.Place) {
    for path in ["/usr/libexec/pve-sb-uki/pve-sb-uki-hook", "pve-sb-uki-hook"] {
      #expect(call([path, word, "4711"])?.place == place)
      #expect(call([path, word, "4711"])?.arguments == ["4711"])
      #expect(call([path, word], "upgrade 1")?.isSettled == true)
    }
    #expect(call(["/etc/kernel/postinst.d/zz-pve-sb-uki", word])?.place == .kernelPostinst)
    #expect(call(["/usr/bin/\(word)/x"]) == nil)
    #expect(call(["/usr/bin/x/\(word)"]) == nil)
  }

  @Test(arguments: [
    [], [""], ["/"], ["pve-sb-uki-hook"], ["/usr/libexec/pve-sb-uki/pve-sb-uki-hook"], ["postinst.d/x"],
    ["pve-sb-uki-hook", "apply"], ["pve-sb-uki-hook", "kernel/postinst.d"], ["pve-sb-uki-hook", ""],
    ["pre-invoke"], ["pre-invoke", "post-invoke"], ["/etc/kernel/preinst.d/x"], ["/etc/initramfs/postinst.d/x"],
    ["/etc/kernel/postinst.d"],
  ])
  func otherCallsAreNotHookCalls(arguments: [String]) { #expect(call(arguments) == nil) }

  /// Debian's kernels pass `configure ` with a trailing space on first install, Proxmox's pass nothing.
  @Test(
    arguments: [
      ("postinst.d", nil, true), ("postinst.d", "", true), ("postinst.d", "configure ", true),
      ("postinst.d", "configure 6.1.0-1", true), ("postinst.d", "upgrade 6.1", false),
      ("postinst.d", "abort-upgrade 6.1", false), ("postinst.d", "configured", false), ("postrm.d", nil, true),
      ("postrm.d", "remove", true), ("postrm.d", "purge", true), ("postrm.d", "upgrade 6.1.0-2", false),
      ("postrm.d", "abort-install", false),
    ] as [(String, String?, Bool)])
  func maintainerParametersDecideWhetherAHookActs(directory: String, parameters: String?, wanted: Bool) {
    #expect(call(["/etc/kernel/\(directory)/x", "6.1"], parameters)?.isSettled == wanted)
  }

  /// Debian's hooks read the variable with `eval set -- "$DEB_MAINT_PARAMS"`, so this compares with a shell.
  @Test(arguments: [
    "'configure' '1.2'", "\"configure\" \"1.2\"", "configure\t1.2", "\tconfigure", "  configure  ", "configure\n1.2",
    "con'fig'ure", "con\\figure 1", "\\c\\o\"nfig\"'ure'", "'configure '", "\"con\\figure\"", "\"con\\\\figure\"",
    "conf\\\nigure x",
    "'remove'", "'upgrade' '1'", "\"abort-upgrade\" 1", "configure;upgrade", "configure #x",
    "configure#x",
    "'con\\figure'", "configure\r", "configure\u{b}1", "'purge'", "configure\u{a0}1", "\"configure\n\"", "'it'\\''s'",
  ])
  func quotedParametersAreReadLikeAShellDoes(parameters: String) throws {
    let script = "eval \"set -- $1\" 2>/dev/null; printf %s \"$1\""
    let word = String(decoding: try ExternalTool("sh").run(["-c", script, "sh", parameters]), as: UTF8.self)
    #expect(call(["/etc/kernel/postinst.d/x", "6.1"], parameters)?.action == word)
    #expect(call(["/etc/kernel/postinst.d/x", "6.1"], parameters)?.isSettled == (word == "configure"))
    #expect(call(["/etc/kernel/postrm.d/x", "6.1"], parameters)?.isSettled == ["remove", "purge"].contains(word))
  }

  /// A shell would run a command, expand a variable or fail: no reason to skip the work, and nothing is run.
  @Test(arguments: [
    "$(touch /tmp/x)", "`id`", "\"$HOME\"", "'configure", "\"configure", "conf\\", "", " \t\n", "''", "#x", ";x",
  ])
  func otherParametersForbidNothing(parameters: String) {
    #expect(call(["/etc/kernel/postinst.d/x", "6.1"], parameters)?.action == nil)
    for directory in ["postinst.d", "postrm.d"] {
      #expect(call(["/etc/kernel/\(directory)/x", "6.1"], parameters)?.isSettled == true)
    }
  }

  @Test func initrdHooksIgnoreMaintainerParameters() {
    #expect(call(["/etc/initramfs/post-update.d//x", "6.1"], "upgrade 1")?.isSettled == true)
  }
}
