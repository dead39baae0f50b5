// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Reconcile

/// DPkg::Pre-Invoke and DPkg::Post-Invoke of apt, which enclose all that one apt run installs and removes.
///
/// Neither fails: apt would stop.
struct AptTransaction {
  let program: HookProgram

  /// `child` is the number of the process that apt runs its commands in, the parent of the shell that called this.
  func begin(child: String?) -> Int32 {
    // In silence: without a mark every hook does its work at once, and says itself what keeps it from it.
    if let child = child.flatMap({ Int($0) }) { try? DeferredApply.begin(child: child, on: program.host) }
    return 0
  }

  /// What is still wrong is repeated here as the last thing on the screen.
  func end() -> Int32 {
    _ = program.report { try DeferredApply.finish(on: program.host) }
    return 0
  }
}
