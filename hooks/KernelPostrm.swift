// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CommandSupport
internal import Reconcile

/// /etc/kernel/postrm.d: a kernel was removed or purged.
///
/// Which images go is decided by what /boot holds, not by the argument: the signed and the unsigned package of one
/// kernel share its release, and purging what is left of one must not take the image of the other. It never fails: a
/// kernel package whose postrm fails cannot be repaired by `dpkg --configure`.
struct KernelPostrm {
  let program: HookProgram
  let call: HookCall

  func run() -> Int32 {
    // Proxmox's hook of that name has run before this one.
    LoaderDefaultRestoration.run(on: program.host)
    if call.isSettled { program.reconcileInTime() }
    return 0
  }
}
