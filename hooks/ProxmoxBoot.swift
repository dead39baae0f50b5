// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CommandSupport
internal import HostSystem
internal import Reconcile

/// /etc/kernel/postinst.d/zz-proxmox-boot, which replaces Proxmox's hook: a kernel package is being configured, an
/// initrd was built, or `proxmox-boot-tool refresh` was called.
///
/// First runs Proxmox's own hook with the same arguments and returns its exit code, so that kernel packages and
/// `proxmox-boot-tool` see no difference. Then restores systemd-boot's default at once: the machine must boot even if
/// it stops before the apt run ends.
struct ProxmoxBoot {
  let program: HookProgram
  let call: HookCall

  func run() -> Int32 {
    let code = original()
    CrashReport.setExitCode(code)
    LoaderDefaultRestoration.run(on: program.host)
    // No kernel requires a UKI here: a later hook handles that.
    if call.isSettled { program.reconcileOrDefer() }
    return code
  }

  private func original() -> Int32 {
    do {
      return try ProxmoxBootHook.run(call.arguments, on: program.host)
    } catch {
      program.say(ErrorReport.text(error, program: HookProgram.name))
      return 1
    }
  }
}
