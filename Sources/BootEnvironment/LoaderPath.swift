// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import PortableExecutable

/// Where boot loaders lie on an EFI System Partition, from its root.
package struct LoaderPath: Hashable, Sendable {
  /// Everything below is ours.
  package static let directory = "/EFI/pve-sb-uki"

  package let systemdBoot: String
  package let shim: String
  /// shim looks for it beside itself.
  package let mokManager: String

  /// What firmware starts on a disk for which it knows no boot entry (UEFI 2.10 section 3.5.1.1).
  package let removable: String
  /// What shim starts from there: it looks for GRUB beside itself unless it is told another name.
  package let removableSecondStage: String
  package let removableMokManager: String
  /// If this is beside it, shim starts it from the removable path in place of the second stage.
  package let removableFallback: String

  package init(_ machine: Machine) {
    let name = machine.efiName
    systemdBoot = "\(Self.directory)/systemd-boot\(name).efi"
    shim = "\(Self.directory)/shim\(name).efi"
    mokManager = "\(Self.directory)/mm\(name).efi"
    removable = "/EFI/BOOT/BOOT\(name.uppercased()).EFI"
    removableSecondStage = "/EFI/BOOT/grub\(name).efi"
    removableMokManager = "/EFI/BOOT/mm\(name).efi"
    removableFallback = "/EFI/BOOT/fb\(name).efi"
  }

  /// All that are ever written.
  package var all: [String] {
    [systemdBoot, shim, mokManager, removable, removableSecondStage, removableMokManager]
  }
}
