// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CommandSupport
internal import Reconcile

/// /etc/kernel/postinst.d: a kernel was configured; its initrd was made by a hook before this one.
///
/// A failure would leave the kernel package half-configured and stop the hooks behind this one, although what booted
/// before still does. So it is reported, kept on record, and success returned, unless `Strict=yes` asks otherwise; then
/// nothing is put off either, since the answer is wanted now.
struct KernelPostinst {
  let program: HookProgram
  /// Of the kernel that was configured; it must end with an image.
  let call: HookCall

  func run() -> Int32 {
    guard call.isSettled else { return 0 }
    if Apply.isStrict(on: program.host) { return program.reconcile(call.release) ? 0 : 1 }
    program.reconcileInTime(call.release)
    return 0
  }
}
