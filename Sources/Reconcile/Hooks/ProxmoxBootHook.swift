// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem

/// Proxmox's kernel hook `zz-proxmox-boot`, which copies kernels to the ESPs as type 1 entries.
///
/// `proxmox-boot-tool refresh` only runs that hook. So this package diverts it with dpkg and puts a link to its own
/// hook in that place. run-parts ignores the name of the diverted file.
package enum ProxmoxBootHook {
  /// Path of the diverted file.
  private static let original = "/etc/kernel/postinst.d/zz-proxmox-boot.distrib"
  /// The command of the package that owns the hook.
  ///
  /// If it is missing, the diverted hook is left over from a purge: dpkg looks for a conffile under the diverted name
  /// too late.
  private static let commands = ["/usr/sbin/proxmox-boot-tool", "/usr/bin/proxmox-boot-tool"]

  /// Runs the hook with `arguments` if it is wanted.
  ///
  /// Returns its exit code, or 0 if it is not run. Throws `HostError` if it cannot be run.
  package static func run(_ arguments: [String], on host: Host) throws -> Int32 {
    try isWanted(on: host) ? host.run(original, arguments: arguments) : 0
  }

  /// Whether the hook exists, is executable and is wanted.
  ///
  /// It is not wanted if UKIs replace its type 1 entries: `Type1=remove` is set, the host is not skipped
  /// (`SkipReason`), and this machine has booted one of pve-sb-uki's UKIs.
  private static func isWanted(on host: Host) throws -> Bool {
    guard let status = try host.files.status(of: original), status.kind == .regular, status.mode & 0o111 != 0,
      try commands.contains(where: { try host.files.exists($0) })
    else { return false }
    // If the settings cannot be read, behave as if this package were not installed.
    guard let configuration = try? Configuration(of: host.files), configuration.typeOne == .remove else { return true }
    let hasBooted = Manifest.load(from: host.files).manifest.images.contains { $0.booted != nil }
    return try !hasBooted || SkipReason(of: host, configuration) != nil
  }
}
