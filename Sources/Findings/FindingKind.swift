// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// What a finding is about.
///
/// The raw values are the names in `--json` and `--prometheus`, which never change; pve-sb-uki-findings(7) describes each.
/// The order is the order of work: `status` advises the first of them with a command.
package enum FindingKind: String, CaseIterable, Sendable {
  // The last work failed, or this machine may not start again.

  /// A listed ESP is missing or unusable.
  case espUnusable = "esp-unusable"
  /// The ESP was not unmounted cleanly.
  case espUnclean = "esp-unclean"
  /// No boot path leads to a program that starts.
  case noBootPath = "no-boot-path"
  /// A UKI is damaged, or another program has changed it.
  case ukiDamaged = "uki-damaged"
  /// The root file system that the UKI's command line names does not exist.
  case rootMissing = "root-missing"
  /// The UKI's initrd lacks what its root file system needs.
  case initrdIncomplete = "initrd-incomplete"
  /// The UKI's kernel is not installed, or has no modules.
  case kernelIncomplete = "kernel-incomplete"
  /// The chain from the firmware to the UKIs cannot be set up or judged.
  case chainUnusable = "chain-unusable"
  /// The boot chain trusts the key, but rejects this UKI.
  case ukiRejected = "uki-rejected"
  /// A kernel cannot get a UKI.
  case ukiUnbuildable = "uki-unbuildable"
  /// An ESP has no room for a UKI.
  case espFull = "esp-full"
  /// Work on ESPs or boot entries failed or is impossible for another reason.
  case workFailed = "work-failed"

  // The administrator should act.

  /// The signing key is away: a token or USB stick that is not connected, or a passphrase that is not known.
  case keyAway = "key-away"
  /// The signing key or its certificate cannot be used.
  case keyUnusable = "key-unusable"
  /// This host's clock is wrong.
  case clockWrong = "clock-wrong"
  /// A UKI does not exist yet.
  case ukiMissing = "uki-missing"
  /// A UKI is older than its kernel, initrd, command line or certificate.
  case ukiOutdated = "uki-outdated"
  /// The command line in a UKI is not the configured one.
  case commandLineDiffers = "command-line-differs"
  /// The configured command line has an error.
  case commandLineInvalid = "command-line-invalid"
  /// A boot loader or its settings are missing or outdated.
  case loaderOutdated = "loader-outdated"
  /// Boot entries need an update.
  case bootEntriesOutdated = "boot-entries-outdated"
  /// An ESP cannot have a boot entry, for example because it is not a GPT partition.
  case espWithoutEntry = "esp-without-entry"
  /// The settings of dkms do not match `Dkms=`.
  case dkmsOutdated = "dkms-outdated"
  /// Other users can read or replace a secret.
  case secretExposed = "secret-exposed"
  /// A signed update that deletes the platform key is on an ESP.
  case keyRemovalOnESP = "key-removal-on-esp"
  /// A boot path before pve-sb-uki's is rejected or leads nowhere.
  case bootPathBroken = "boot-path-broken"
  /// An entry without a signed initrd is before pve-sb-uki's.
  case unsignedEntryFirst = "unsigned-entry-first"
  /// A package has put its boot entry before pve-sb-uki's.
  case foreignEntryFirst = "foreign-entry-first"
  /// Whether a boot path starts cannot be said, since firmware of different age decides differently.
  case bootPathDepends = "boot-path-depends"
  /// This firmware or shim does not accept the signing key.
  case keyNotEnrolled = "key-not-enrolled"
  /// The firmware has lost keys that pve-sb-uki wrote.
  case enrolmentLost = "enrolment-lost"
  /// MokManager offers to remove the signing key's certificate at the next boot.
  case mokRemovalRequested = "mok-removal-requested"
  /// The firmware is in Setup Mode.
  case setupMode = "setup-mode"
  /// Secure Boot is off.
  case secureBootOff = "secure-boot-off"
  /// The private half of the platform key, or of another key in the firmware, is public.
  case platformKeyLeaked = "platform-key-leaked"
  /// Secure Boot is on, but the firmware starts unsigned programs.
  case firmwareAcceptsAnything = "firmware-accepts-anything"
  /// The firmware's variables have no room for shim's copies or an update.
  case nvramFull = "nvram-full"
  /// A certificate has expired.
  case certificateExpired = "certificate-expired"
  /// The kernel rejects a module, or will with Secure Boot on.
  case moduleUntrusted = "module-untrusted"
  /// A kernel lacks a module that dkms has built for the running kernel.
  case moduleMissing = "module-missing"
  /// The running kernel has rejected a module.
  case moduleRejected = "module-rejected"
  /// The next upgrade of shim-signed fails on this host.
  case shimUpgradeBlocked = "shim-upgrade-blocked"
  /// The package systemd-boot is installed, whose scripts interfere.
  case loaderPackageInterferes = "loader-package-interferes"
  /// os-release has no name, so systemd-boot hides the UKIs.
  case osReleaseUnnamed = "os-release-unnamed"
  /// A UKI did not come up at its trial; the one before it boots.
  case trialFailed = "trial-failed"
  /// The firmware does not act on BootNext as trials need.
  case bootNextUnreliable = "boot-next-unreliable"
  /// `migrate-boot` has moved /boot, but is not complete.
  case bootMigration = "boot-migration"
  /// The machine was not yet booted from a current UKI.
  case notBooted = "not-booted"

  // Nothing has to be done.

  /// The next boot tries a UKI, or this boot does.
  case trialPending = "trial-pending"
  /// The firmware trusts only Microsoft's certificates of 2011.
  case vendorCertificatesOld = "vendor-certificates-old"
  /// A certificate expires within a year.
  case certificateExpiring = "certificate-expiring"
  /// A private key has no backup.
  case keysNotBackedUp = "keys-not-backed-up"
  /// A private key is on an unencrypted file system.
  case secretUnencrypted = "secret-unencrypted"
  /// /boot is an unencrypted partition that this machine does not need.
  case bootPartition = "boot-partition"
  /// Exported public keys are still on an ESP.
  case exportedKeysOnESP = "exported-keys-on-esp"
  /// MokManager appears at the next boot, with a request that is not about the signing key.
  case mokRequestPending = "mok-request-pending"
  /// Two disks have a partition with the same GUID, so that boot entries can lead to either.
  case duplicateEntries = "duplicate-entries"
  /// dracut rebuilds initrds without calling hooks.
  case initrdTrigger = "initrd-trigger"
  /// fwupd cannot update KEK and db on this host.
  case fwupdCannotUpdate = "fwupd-cannot-update"
  /// A UKI could be much smaller, so that the firmware would load it faster.
  case ukiLarge = "uki-large"
  /// Something else that the administrator may want to know.
  case remark = "remark"

  /// Its place in the order of work, from 0.
  package var precedence: Int { Self.allCases.firstIndex(of: self) ?? Self.allCases.count }

  package var severity: Finding.Severity {
    switch self {
    case .espUnusable, .espUnclean, .noBootPath, .ukiDamaged, .rootMissing, .initrdIncomplete, .kernelIncomplete,
      .chainUnusable, .ukiRejected, .ukiUnbuildable, .espFull, .workFailed:
      .failure
    case .trialPending, .vendorCertificatesOld, .certificateExpiring, .keysNotBackedUp, .secretUnencrypted,
      .bootPartition, .exportedKeysOnESP, .mokRequestPending, .duplicateEntries, .initrdTrigger, .fwupdCannotUpdate,
      .ukiLarge, .remark:
      .note
    default: .attention
    }
  }
}
