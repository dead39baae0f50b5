// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import PveSbUki

/// /etc/kernel/postinst.d: a kernel was configured; its initrd was made by a hook before this one.
///
/// A failure would leave the kernel package half-configured and stop the hooks behind this one, although what booted
/// before still does. So it is reported, kept on record, and success returned, unless `Strict=yes` asks otherwise.
struct KernelPostinst {
  let program: HookProgram
  /// The kernel that was configured; it must end with an image.
  let release: String?

  func run() -> Int32 {
    var apply = Apply()
    apply.expected = release
    if program.reconcile(apply) { return 0 }
    return Apply.isStrict(on: program.host) ? 1 : 0
  }
}
