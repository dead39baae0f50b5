// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// /etc/initramfs/post-update.d: initramfs-tools or dracut has built an initrd.
///
/// dracut calls it for initrds in any location. The files decide, not the arguments, so such calls cost nothing. It
/// never fails: that would stop `update-initramfs` and the package that called it.
struct InitramfsPostUpdate {
  let program: HookProgram

  func run() -> Int32 {
    program.reconcileOrDefer()
    return 0
  }
}
