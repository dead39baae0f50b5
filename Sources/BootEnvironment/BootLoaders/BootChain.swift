// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
internal import PortableExecutable

/// How the firmware starts the UKIs, decided from `Chain=` and the host.
package enum BootChain: Hashable, Sendable {
  /// A boot entry for each UKI.
  case direct
  /// systemd-boot, signed with the host's key, which finds the UKIs itself.
  case systemdBoot
  /// shim, signed by Microsoft, which starts programs that are signed with a machine owner key.
  case shim(starting: SecondStage)

  package enum SecondStage: Hashable, Sendable {
    case image
    case systemdBoot
  }

  /// Whether systemd-boot is part of the chain.
  package var hasSystemdBoot: Bool { self == .systemdBoot || self == .shim(starting: .systemdBoot) }
  package var hasShim: Bool { if case .shim = self { true } else { false } }

  /// The same chain without systemd-boot: a boot entry for each UKI.
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
  ///   - needsShim: whether only shim trusts the host's certificate; `auto` then uses shim.
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
  /// Decided from the EFI variables. If they do not show how the host was booted, the host uses systemd-boot if
  /// `bootctl install` or `proxmox-boot-tool init` has put it on one of the ESPs. `wasUsed` says whether the previous
  /// run used it: if the firmware then started a UKI directly, that was an exception. `wasChosen` says that it used it
  /// because of `Chain=systemd-boot`: then a boot by it says nothing about the host.
  ///
  /// Throws `HostError` if an ESP cannot be read.
  package static func usesSystemdBoot(
    _ evidence: BootEvidence?, wasUsed: Bool, wasChosen: Bool = false, esps: [FileSystem]
  ) throws -> Bool {
    if let evidence {
      if evidence.isBySystemdBoot {
        if !wasChosen { return true }
      } else if evidence.loader != nil || evidence.imageName != nil && (!wasUsed || wasChosen) {
        return false
      }
    }
    return try esps.contains { files in
      // proxmox-boot-tool uses GRUB on an ESP that has both.
      if try Machine.supported.contains(where: { try files.exists("/EFI/proxmox/grub\($0.efiName).efi") }) {
        return false
      }
      return try hasSettings(files)
        || Machine.supported.contains { try files.exists("/EFI/systemd/systemd-boot\($0.efiName).efi") }
    }
  }

  /// Whether an ESP has settings of systemd-boot that are not pve-sb-uki's alone; settings that cannot be read count.
  private static func hasSettings(_ files: FileSystem) throws -> Bool {
    guard try files.exists(LoaderConfiguration.path) else { return false }
    do {
      let text = try files.readFile(LoaderConfiguration.path, limit: LoaderConfiguration.sizeLimit)
      return !LoaderConfiguration.isOnlyOwn(text)
    } catch {
      return true
    }
  }
}

extension BootChain: CustomStringConvertible {
  /// As in `Chain=`; `shim, systemd-boot` for both.
  package var description: String {
    switch self {
    case .direct: "direct"
    case .systemdBoot: "systemd-boot"
    case .shim(.image): "shim"
    case .shim(.systemdBoot): "shim, systemd-boot"
    }
  }
}
