// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CommandSupport
internal import Reconcile

/// /etc/kernel/postrm.d: a kernel package is being removed or purged.
///
/// The files in /boot decide which images are removed, not the argument: the signed and the unsigned package of a
/// kernel share its release, and purging the leftover of one must not remove the image of the other. It never fails:
/// `dpkg --configure` cannot repair a kernel package whose postrm fails.
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
