// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import Findings
internal import HostSystem
internal import Messages
internal import SecureBoot
internal import UnifiedKernelImage

/// Packages whose scripts do not suit a host with the owner's keys.
enum PackageFindings {
  // MARK: shim-signed

  /// SHA-1 of the DER encoding of Microsoft's UEFI CA of 2011 and of 2023, which the maintainer script looks for.
  private static let authorities: Set = [
    "46def63b5ce61cf8ba0de2e6639c1019d0ed14f3", "b5eeb4a6706048073f0ed296e7f580a790b59eaa",
  ]

  /// The next version's preinst aborts on this host, and apt then stops with half of an upgrade done.
  ///
  /// It does so if mokutil is installed, Secure Boot is on and db has neither of Microsoft's certificates, or dbx has
  /// one of them.
  static func shim(
    _ packages: InstalledPackages, _ firmware: FirmwareKeys, _ context: MachineFindings.Context, on host: Host
  ) throws -> [Finding] {
    guard packages["shim-signed"] != nil, firmware.database.secureBootEnabled == true,
      try host.files.exists("/usr/bin/mokutil")
    else { return [] }
    func isListed(_ list: TrustList) throws -> Bool {
      try list.certificates.contains { authorities.contains(try Digest.of($0.der, .sha1).hexadecimal) }
    }
    let isRevoked = try isListed(firmware.database.dbx)
    guard try isRevoked || !isListed(firmware.database.db) else { return [] }
    let reason: Message =
      isRevoked ? "dbx contains Microsoft's certificate" : "db does not contain Microsoft's UEFI CA"
    let usesShim = context.chain?.hasShim == true
    return [
      Finding(
        .shimUpgradeBlocked, "the next upgrade of shim-signed aborts, and apt with it: \(reason)",
        arguments: ["package": "shim-signed", "revoked": .boolean(isRevoked)],
        actions: usesShim
          ? [.advise("enrol Microsoft's UEFI CA 2023 in db: this host uses shim")]
          : [
            .run(Message(verbatim: "apt purge shim-signed")),
            .advise("if shim is needed, enrol Microsoft's UEFI CA 2023 in db"),
          ])
    ]
  }

  // MARK: systemd-boot

  /// The package's scripts write an unsigned systemd-boot over the signed one with every upgrade, make type 1 entries for
  /// all kernels, and remove both from the ESP with the package.
  ///
  /// Nothing is reported on Debian 12, where the package also has bootctl, which proxmox-boot-tool needs.
  static func systemdBoot(_ packages: InstalledPackages) -> [Finding] {
    guard let version = packages["systemd-boot"], packages["systemd-boot-tools"] != nil else { return [] }
    return [
      Finding(
        .loaderPackageInterferes,
        """
        the package systemd-boot is installed: its scripts write to the ESP and may replace a signed boot loader; \
        only the package systemd-boot-efi is needed
        """,
        arguments: ["package": "systemd-boot", "version": .string(version)],
        // Removing the package removes the boot loader from the ESP, which apply restores.
        actions: [.run(Message(verbatim: "apt purge systemd-boot && pve-sb-uki apply"))])
    ]
  }

  // MARK: fwupd

  /// fwupd updates KEK and db only if the owners of PK and KEK are known vendors.
  static func fwupd(_ packages: InstalledPackages, _ firmware: FirmwareKeys, on host: Host) -> [Finding] {
    guard packages["fwupd"] != nil, firmware.isOwned else { return [] }
    return [
      Finding(
        .fwupdCannotUpdate,
        "fwupd cannot update KEK and db on this host, since the platform key is the owner's",
        arguments: ["package": "fwupd"],
        actions: [
          .advise(
            """
            to change these lists, write them with 'pve-sb-uki keys export /root/pve-sb-uki-public' and enrol them in the firmware's setup \
            menu
            """)
        ])
    ]
  }

  // MARK: dracut

  private static let dracut = "/usr/bin/dracut"
  /// Maximum size of the script in bytes; dracut 106 has 100 KiB.
  private static let scriptLimit = 4 << 20

  /// Debian 12's dracut calls no hook after it has built an initrd, for example when dpkg triggers it; Debian 13's does.
  static func dracut(on host: Host) throws -> [Finding] {
    guard try !host.files.exists("/usr/sbin/update-initramfs"),
      let script = try host.files.readFileIfPresent(dracut, limit: scriptLimit),
      !script.contains(bytes: "post-update.d".utf8)
    else { return [] }
    return [
      Finding(
        .initrdTrigger,
        "\(host.files.display(dracut)) calls no hooks: after other packages rebuild initrds, UKIs keep the old ones",
        arguments: ["path": .string(host.files.display(dracut))],
        actions: [.advise("run 'pve-sb-uki apply' after each rebuild of an initrd")])
    ]
  }
}

/// Whether systemd-boot lists UKIs with this host's os-release.
enum OSReleaseFindings {
  /// Maximum size in bytes.
  private static let sizeLimit = 1 << 16

  static func findings(_ context: MachineFindings.Context, on host: Host) throws -> [Finding] {
    guard context.chain?.hasSystemdBoot == true else { return [] }
    let path = try host.files.exists("/etc/os-release") ? "/etc/os-release" : "/usr/lib/os-release"
    guard let text = try host.files.readFileIfPresent(path, limit: sizeLimit), !OSRelease.hasTitle(text) else {
      return []
    }
    return [
      Finding(
        .osReleaseUnnamed,
        "\(host.files.display(path)) has no name of the system (PRETTY_NAME=): systemd-boot hides UKIs built with it",
        arguments: ["path": .string(host.files.display(path))],
        actions: [
          .advise("add a line such as PRETTY_NAME=\"Proxmox VE\" to it, then run 'pve-sb-uki apply'")
        ])
    ]
  }
}
