// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CommandSupport
internal import HostSystem
internal import Reconcile

/// /etc/kernel/postinst.d: a kernel package is being configured; an earlier hook has built its initrd.
///
/// A failure would leave the kernel package half-configured and stop later hooks, although the machine still boots its
/// previous UKIs. So failures are reported and recorded, and the exit code is 0. With `Strict=yes` the exit code is 1,
/// and nothing is deferred, since the result is needed at once.
struct KernelPostinst {
  let program: HookProgram
  /// The call with the release of the kernel, which must have a UKI afterwards.
  let call: HookCall

  func run() -> Int32 {
    guard call.isSettled else { return 0 }
    if Apply.isStrict(on: program.host) {
      CrashReport.setExitCode(1)
      return program.reconcile(call.release) ? 0 : 1
    }
    program.reconcileOrDefer(call.release)
    return 0
  }
}
