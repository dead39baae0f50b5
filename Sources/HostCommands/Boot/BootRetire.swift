// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
package import HostSystem
package import Messages
internal import Reconcile
internal import SecureBoot

/// `pve-sb-uki boot retire`: prepares for the removal of the package, and reports what the machine boots from then on.
///
/// UKIs, boot loaders and boot entries are kept. With Secure Boot on, nothing else starts, so systemd-boot's default is
/// kept too, although Proxmox's hook continues to write its own into `loader.conf`. With Secure Boot off, the EFI
/// variable is removed, and Proxmox's default takes effect again after the next run of that hook.
package struct BootRetire: Sendable {
  /// Whether to report only, and change nothing.
  package var isDryRun = false
  /// How long to wait for another run to end, in seconds.
  package var lockTimeout = 120

  package init() {}

  package struct Result: Sendable {
    /// Whether Secure Boot is enforced.
    package var isEnforced = false
    /// Kernels whose UKIs are kept, the newest first.
    package var kernels: [String] = []
    /// Changes made, in the imperative.
    package var steps: [Message] = []
    /// What happens from now on, one sentence each.
    package var notes: [Message] = []
  }

  /// Prepares the machine.
  ///
  /// The result is empty if there are no UKIs.
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
          "Secure Boot is on. Without pve-sb-uki the machine keeps booting its present UKIs: \(images).",
          "It does not boot later kernels and initrds: they are unsigned, and the firmware rejects them.",
          "To boot Proxmox's own entries again, turn Secure Boot off in the firmware setup, then run:",
          "bootctl set-default ''",
        ]
      } else {
        result.notes += [
          "UKIs and their boot entries are kept, and the firmware tries them first: \(images).",
          "To remove an entry: efibootmgr --delete-bootnum --bootnum NUMBER",
        ]
      }
      return result
    }
  }

  private func giveBackDefault(_ host: Host, _ result: inout Result) throws {
    let store = host.variables
    guard !result.isEnforced, try store.isPresent, let text = LoaderDefault.variable(in: store),
      LoaderDefaultRecord.load(from: host.files).isOurs(text)
    else { return }
    if !isDryRun { try LoaderDefault.setVariable(nil, in: store) }
    result.steps.append("remove systemd-boot's default \(text) (LoaderEntryDefault)")
  }
}
