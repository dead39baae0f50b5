// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CommandSupport
internal import Reconcile

/// /etc/kernel/postinst.d/zz-proxmox-boot, in the place of Proxmox's hook: a kernel was configured, an initrd made, or
/// somebody typed `proxmox-boot-tool refresh`.
///
/// Proxmox's own is run first and at once, with what this one was given, and its failure is this one's: to kernel
/// packages and to `proxmox-boot-tool` it is as it was. What it makes systemd-boot's default is put right as soon as it
/// returns: until the apt run ends, whatever happens, the machine must boot.
struct ProxmoxBoot {
  let program: HookProgram
  let call: HookCall

  func run() -> Int32 {
    let code = original()
    LoaderDefaultRestoration.run(on: program.host)
    // No kernel is expected here: the hook behind this one is for that.
    if call.isSettled { program.reconcileInTime() }
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
