// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
package import PortableExecutable

/// Host paths of the EFI programs in Debian's packages.
package struct BootPrograms: Hashable, Sendable {
  /// The stub that every UKI starts with, from systemd-boot-efi.
  package let stub: String
  /// From systemd-boot-efi.
  package let systemdBoot: String
  /// From shim-signed.
  package let shim: String
  /// From `mokManagerPackage`.
  package let mokManager: String
  package let mokManagerPackage: String

  package init(_ machine: Machine) {
    let name = machine.efiName
    stub = "/usr/lib/systemd/boot/efi/linux\(name).efi.stub"
    systemdBoot = "/usr/lib/systemd/boot/efi/systemd-boot\(name).efi"
    shim = "/usr/lib/shim/shim\(name).efi.signed"
    mokManager = "/usr/lib/shim/mm\(name).efi.signed"
    mokManagerPackage = "shim-helpers-\(machine == .arm64 ? "arm64" : "amd64")-signed"
  }
}

extension Host {
  /// The architecture of the UKIs: that of the running machine, or in another root that of the stub found there.
  package var machine: Machine {
    get throws {
      if isRunningSystem { return .native }
      let present = try Machine.supported.filter { try files.exists(BootPrograms($0).stub) }
      return present.count == 1 ? present[0] : .native
    }
  }
}

/// Paths of boot loaders on an ESP, from its root.
package struct LoaderPath: Hashable, Sendable {
  /// Everything below it belongs to pve-sb-uki.
  package static let directory = "/EFI/pve-sb-uki"

  package let systemdBoot: String
  package let shim: String
  /// In the directory where shim looks for it.
  package let mokManager: String

  /// The program that firmware starts from a disk without a boot entry (UEFI 2.10 section 3.5.1.1).
  package let removable: String
  /// The program that shim starts from there: GRUB in the same directory, unless shim is given another name.
  package let removableSecondStage: String
  package let removableMokManager: String
  /// If this file exists, shim starts it from the removable path instead of the second stage.
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

  /// All paths that pve-sb-uki may write.
  package var all: [String] {
    [systemdBoot, shim, mokManager, removable, removableSecondStage, removableMokManager]
  }
}
