// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
internal import PortableExecutable

/// How the firmware reaches the images in this run, as `Chain=` and the host say.
package enum BootChain: Hashable, Sendable {
  /// A boot entry for each image.
  case direct
  /// systemd-boot, signed with our key; it finds the images by itself.
  case systemdBoot
  /// shim, signed by Microsoft, which starts what a machine owner key has signed.
  case shim(starting: SecondStage)

  package enum SecondStage: Hashable, Sendable {
    case image
    case systemdBoot
  }

  /// Whether systemd-boot is part of it.
  package var hasSystemdBoot: Bool { self == .systemdBoot || self == .shim(starting: .systemdBoot) }
  package var hasShim: Bool { if case .shim = self { true } else { false } }

  /// The same with a boot entry for each image in place of one for systemd-boot.
  package var withoutSystemdBoot: BootChain {
    switch self {
    case .systemdBoot: .direct
    case .shim(.systemdBoot): .shim(starting: .image)
    default: self
    }
  }

  /// The chain of this run.
  ///
  /// - Parameters:
  ///   - setting: what `Chain=` says.
  ///   - usesSystemdBoot: whether the host boots by systemd-boot.
  ///   - needsShim: whether our certificate is trusted by shim only; `auto` then goes through it.
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

  /// Whether the host boots by systemd-boot: it says so itself, or, where nobody tells how it was booted, systemd-boot
  /// is on one of its ESPs as `bootctl install` and `proxmox-boot-tool init` put it there.
  ///
  /// `wasUsed` says whether the run before used it: that the firmware started an image by itself then says only that this
  /// once it had to. Throws `HostError` if an ESP cannot be read.
  package static func usesSystemdBoot(
    _ evidence: BootEvidence?, wasUsed: Bool, esps: [FileSystem]
  ) throws -> Bool {
    if let evidence {
      if evidence.isBySystemdBoot { return true }
      if evidence.loader != nil || evidence.imageName != nil && !wasUsed { return false }
    }
    return try esps.contains { files in
      // proxmox-boot-tool takes an ESP that holds both for one of GRUB's.
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
