// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
package import HostSystem
package import Messages
internal import Reconcile
internal import SecureBoot

/// `pve-sb-uki boot retire`: hands the machine over before the package is removed, and says what it boots from then on.
///
/// Images, boot loaders and boot entries stay. With Secure Boot on, nothing else starts, so systemd-boot's default
/// stays too, while Proxmox's hook continues to write its own into `loader.conf`. With Secure Boot off the EFI variable
/// is removed, and Proxmox's default counts again after the next run of that hook.
package struct BootRetire: Sendable {
  /// Whether to report only, and change nothing.
  package var isDryRun = false
  /// How long to wait for another run to end, in seconds.
  package var lockTimeout = 120

  package init() {}

  package struct Result: Sendable {
    /// Whether Secure Boot is enforced.
    package var isEnforced = false
    /// Kernels whose images stay, the newest first.
    package var kernels: [String] = []
    /// Changes made, in the imperative.
    package var steps: [Message] = []
    /// What happens from now on, one sentence each.
    package var notes: [Message] = []
  }

  /// Hands the machine over.
  ///
  /// Reports nothing if there are no images.
  ///
  /// Throws `HostError` or `EFIVariableError` if that fails.
  package func run(on host: Host) throws -> Result {
    let lock = try isDryRun ? nil : host.files.lock(Apply.lockPath, waitingAtMost: lockTimeout)
    return try withExtendedLifetime(lock) {
      var result = Result()
      let database = try TrustDatabase(readingFrom: host)
      result.isEnforced = database.isEnforced
      let kernels = Set(Manifest.load(from: host.files).manifest.images.map(\.kernel))
      result.kernels = kernels.sorted { $0.isNewer(than: $1) }.map(\.release)
      guard !result.kernels.isEmpty else { return result }
      try giveBackDefault(host, &result)
      let images = result.kernels.joined(separator: ", ")
      if result.isEnforced {
        result.notes += [
          "Secure Boot is on. Without this package the machine keeps booting the images that it has now: \(images).",
          "A kernel or initrd that is installed later is not booted: the firmware would refuse it unsigned.",
          "To boot Proxmox's own entries again: turn Secure Boot off in the firmware's setup, then run",
          "bootctl set-default ''",
        ]
      } else {
        result.notes += [
          "The images stay, and so do their boot entries, which the firmware tries first: \(images).",
          "To remove an entry: efibootmgr --delete-bootnum --bootnum NUMBER",
        ]
      }
      return result
    }
  }

  private func giveBackDefault(_ host: Host, _ result: inout Result) throws {
    let store = EFIVariableStore(of: host.files)
    guard !result.isEnforced, try store.isPresent, let text = LoaderDefault.variable(in: store),
      LoaderDefaultRecord.load(from: host.files).isOurs(text)
    else { return }
    if !isDryRun { try LoaderDefault.setVariable(nil, in: store) }
    result.steps.append("remove systemd-boot's default \(text) (LoaderEntryDefault)")
  }
}
