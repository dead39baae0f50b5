// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
package import PortableExecutable

/// Where Debian's packages put the programs that images and chains are made of.
package struct BootPrograms: Hashable, Sendable {
  /// What every image begins with, of systemd-boot-efi.
  package let stub: String
  /// Of systemd-boot-efi.
  package let systemdBoot: String
  /// Of shim-signed.
  package let shim: String
  /// Of `mokManagerPackage`.
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
  /// What the host's images are for: the processor that runs this, or in a tree elsewhere the one whose stub is there.
  package var machine: Machine {
    get throws {
      if isRunningSystem { return .native }
      let present = try Machine.supported.filter { try files.exists(BootPrograms($0).stub) }
      return present.count == 1 ? present[0] : .native
    }
  }
}

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
