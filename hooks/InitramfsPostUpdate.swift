// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// /etc/initramfs/post-update.d: an initrd was made, by initramfs-tools or dracut.
///
/// dracut calls it for initrds in any place; since files decide and not the arguments, those cost nothing. It never
/// fails: `update-initramfs` would stop, and with it the package that called it.
struct InitramfsPostUpdate {
  let program: HookProgram

  func run() -> Int32 {
    program.reconcileInTime()
    return 0
  }
}
