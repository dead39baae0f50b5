// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
internal import PortableExecutable

/// How the firmware reaches the images, decided from `Chain=` and the host.
package enum BootChain: Hashable, Sendable {
  /// A boot entry for each image.
  case direct
  /// systemd-boot, signed with our key, which finds the images itself.
  case systemdBoot
  /// shim, signed by Microsoft, which starts programs that a machine owner key has signed.
  case shim(starting: SecondStage)

  package enum SecondStage: Hashable, Sendable {
    case image
    case systemdBoot
  }

  /// Whether systemd-boot is part of it.
  package var hasSystemdBoot: Bool { self == .systemdBoot || self == .shim(starting: .systemdBoot) }
  package var hasShim: Bool { if case .shim = self { true } else { false } }

  /// The same chain without systemd-boot: a boot entry for each image.
  package var withoutSystemdBoot: BootChain {
    switch self {
    case .systemdBoot: .direct
    case .shim(.systemdBoot): .shim(starting: .image)
    default: self
    }
  }

  /// Decides the chain.
  ///
  /// - Parameters:
  ///   - setting: the value of `Chain=`.
  ///   - usesSystemdBoot: whether the host boots with systemd-boot.
  ///   - needsShim: whether only shim trusts our certificate; `auto` then uses it.
  /// - Returns: the chain.
  package static func decide(_ setting: Configuration.Chain, usesSystemdBoot: Bool, needsShim: Bool) -> BootChain {
    let second: SecondStage = usesSystemdBoot ? .systemdBoot : .image
    return switch setting {
    case .direct: .direct
    case .systemdBoot: .systemdBoot
    case .shim: .shim(starting: second)
    case .auto: needsShim ? .shim(starting: second) : usesSystemdBoot ? .systemdBoot : .direct
    }
  }

  /// Whether the host boots with systemd-boot.
  ///
  /// The EFI variables say so. If they do not tell how the host was booted, it is assumed if `bootctl install` or
  /// `proxmox-boot-tool init` has put systemd-boot on one of the ESPs. `wasUsed` says whether the previous run used it:
  /// if the firmware then started an image directly, that was an exception.
  ///
  /// Throws `HostError` if an ESP cannot be read.
  package static func usesSystemdBoot(
    _ evidence: BootEvidence?, wasUsed: Bool, esps: [FileSystem]
  ) throws -> Bool {
    if let evidence {
      if evidence.isBySystemdBoot { return true }
      if evidence.loader != nil || evidence.imageName != nil && !wasUsed { return false }
    }
    return try esps.contains { files in
      // proxmox-boot-tool uses GRUB on an ESP that has both.
      if try Machine.supported.contains(where: { try files.exists("/EFI/proxmox/grub\($0.efiName).efi") }) {
        return false
      }
      return try files.exists(LoaderConfiguration.path)
        || Machine.supported.contains { try files.exists("/EFI/systemd/systemd-boot\($0.efiName).efi") }
    }
  }
}

extension BootChain: CustomStringConvertible {
  /// In the words of `Chain=`; `shim, systemd-boot` for both.
  package var description: String {
    switch self {
    case .direct: "direct"
    case .systemdBoot: "systemd-boot"
    case .shim(.image): "shim"
    case .shim(.systemdBoot): "shim, systemd-boot"
    }
  }
}
