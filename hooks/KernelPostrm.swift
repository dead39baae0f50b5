// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CommandSupport
internal import Reconcile

/// /etc/kernel/postrm.d: a kernel package is being removed or purged.
///
/// The files in /boot decide which UKIs are removed, not the argument: a kernel's signed and unsigned packages share
/// its release, and purging one leftover must not remove the other's UKI. It never fails: `dpkg --configure` cannot
/// repair a kernel package whose postrm fails.
struct KernelPostrm {
  let program: HookProgram
  let call: HookCall

  func run() -> Int32 {
    // Proxmox's postrm hook has run before this one.
    LoaderDefaultRestoration.run(on: program.host)
    if call.isSettled { program.reconcileOrDefer() }
    return 0
  }
}
