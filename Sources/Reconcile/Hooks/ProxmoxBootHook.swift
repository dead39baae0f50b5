// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem

/// Proxmox's kernel hook `zz-proxmox-boot`, which brings kernels to the ESPs as type 1 entries.
///
/// `proxmox-boot-tool refresh` runs it and nothing of ours, so a link of this package stands at its path and the file
/// itself, diverted by dpkg, beside it under a name that run-parts passes over.
package enum ProxmoxBootHook {
  /// Where the diversion has put the file.
  private static let original = "/etc/kernel/postinst.d/zz-proxmox-boot.distrib"
  /// The command of the same package.
  ///
  /// Without it the file is what a purge has left: dpkg looks for a conffile under the diverted name too late.
  private static let commands = ["/usr/sbin/proxmox-boot-tool", "/usr/bin/proxmox-boot-tool"]

  /// Runs the file with `arguments` if it is wanted.
  ///
  /// Returns its exit code, else 0; throws `HostError` if it cannot be run.
  package static func run(_ arguments: [String], on host: Host) throws -> Int32 {
    try isWanted(on: host) ? host.run(original, arguments: arguments) : 0
  }

  /// Whether the file is there, executable and wanted: it is not where images take the place of what it makes
  /// (`Type1=remove`, nothing keeps this package from working here, and this machine has booted one of our images).
  private static func isWanted(on host: Host) throws -> Bool {
    guard let status = try host.files.status(of: original), status.kind == .regular, status.mode & 0o111 != 0,
      try commands.contains(where: { try host.files.exists($0) })
    else { return false }
    // With settings that nobody can read the host goes on as it would without this package.
    guard let configuration = try? Configuration(of: host.files), configuration.typeOne == .remove else { return true }
    let hasBooted = Manifest.load(from: host.files).manifest.images.contains { $0.booted != nil }
    return try !hasBooted || SkipReason(of: host, configuration) != nil
  }
}
