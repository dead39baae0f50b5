// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Where boot loaders lie on an EFI System Partition, from its root.
package enum LoaderPath {
  /// Everything below is ours.
  package static let directory = "/EFI/pve-sb-uki"
  package static let systemdBoot = "\(directory)/systemd-bootx64.efi"
  package static let shim = "\(directory)/shimx64.efi"
  /// shim looks for it beside itself.
  package static let mokManager = "\(directory)/mmx64.efi"

  /// What firmware starts on a disk for which it knows no boot entry (UEFI 2.10 section 3.5.1.1).
  package static let removable = "/EFI/BOOT/BOOTX64.EFI"
  /// What shim starts from there: it looks for `grubx64.efi` beside itself unless it is told another name.
  package static let removableSecondStage = "/EFI/BOOT/grubx64.efi"
  package static let removableMokManager = "/EFI/BOOT/mmx64.efi"
  /// All that are ever written.
  package static let all = [systemdBoot, shim, mokManager, removable, removableSecondStage, removableMokManager]

  /// If this is beside it, shim starts it from the removable path in place of the second stage.
  package static let removableFallback = "/EFI/BOOT/fbx64.efi"
}
