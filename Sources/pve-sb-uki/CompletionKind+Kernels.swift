// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser

extension CompletionKind {
  /// Releases of the kernels in /boot of the machine that the shell runs on.
  static let kernels = CompletionKind.shellCommand("find /boot -maxdepth 1 -name 'vmlinuz-*' | sed 's/.*vmlinuz-//'")
}
