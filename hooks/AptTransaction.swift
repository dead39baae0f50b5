// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Reconcile

/// apt's DPkg::Pre-Invoke and DPkg::Post-Invoke, which run before and after everything that one apt run installs and
/// removes.
///
/// Neither fails, since that would stop apt.
struct AptTransaction {
  let program: HookProgram

  /// `child` is the number of the process in which apt runs its commands: the parent of the shell that called this.
  func begin(child: String?) -> Int32 {
    // Reports nothing: without the mark, each hook works at once and reports errors itself.
    if let child = child.flatMap({ Int($0) }) { try? DeferredApply.begin(child: child, on: program.host) }
    return 0
  }

  /// Reports remaining problems as the last output on the screen.
  func end() -> Int32 {
    _ = program.report { try DeferredApply.finish(on: program.host) }
    return 0
  }
}
