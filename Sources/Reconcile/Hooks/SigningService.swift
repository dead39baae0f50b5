// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
internal import Messages
internal import SigningKeys

/// pve-sb-uki.service, to which systemd can give the passphrase of the signing key as a credential.
///
/// A hook has no credentials, and no person to ask. If the key is locked for it, it starts the service, which finishes
/// the work.
package enum SigningService {
  private static let unit = "pve-sb-uki.service"
  /// Directories of units and of encrypted credentials, see systemd.unit(5) and systemd.exec(5).
  private static let roots = ["/etc", "/run", "/usr/local/lib", "/usr/lib"]
  private static let sizeLimit = 1 << 18

  /// Starts the service, without waiting for it, if kernels wait for a key that is locked here and not there.
  ///
  /// Returns whether it was started; `report` then lists what waits no longer.
  package static func start(for report: inout ApplyReport, on host: Host) -> Bool {
    guard let plan = report.plan, plan.keyAbsence?.reason == .locked, !plan.keyFailures.isEmpty else { return false }
    let isRunning = (try? host.files.exists("/run/systemd/system")) == true
    guard host.isRunningSystem, isRunning, hasCredential(in: host.files) else { return false }
    guard (try? host.run("systemctl", arguments: ["start", "--no-block", unit])) == 0 else { return false }
    report.failures.removeAll { plan.keyFailures.contains($0) }
    return true
  }

  /// Whether a credential for the service exists: in a store of encrypted credentials, where the unit looks for it, or in
  /// settings of the unit.
  static func hasCredential(in files: FileSystem) -> Bool {
    if roots.contains(where: { (try? files.exists("\($0)/credstore.encrypted/\(KeySource.credential)")) == true }) {
      return true
    }
    let units = roots.map { "\($0)/systemd/system/\(unit)" }
    let dropIns = units.flatMap { unit in
      ((try? files.list("\(unit).d")) ?? []).filter { $0.hasSuffix(".conf") }.map { "\(unit).d/\($0)" }
    }
    // The unit of the package names the credential in any case.
    return (units.dropLast(2) + dropIns).contains { path in
      guard let text = try? files.readTextIfPresent(path, limit: sizeLimit) else { return false }
      return text.split(separator: "\n").contains { namesCredential($0) }
    }
  }

  /// Whether a line is a setting such as `LoadCredential=pve-sb-uki.passphrase:/path`.
  private static func namesCredential(_ line: Substring) -> Bool {
    guard let equals = line.firstIndex(of: "=") else { return false }
    let key = SettingsFile.trimmed(String(line[..<equals]))
    let value = SettingsFile.trimmed(String(line[line.index(after: equals)...]))
    let keys = ["LoadCredential", "LoadCredentialEncrypted", "SetCredential", "SetCredentialEncrypted"]
    return keys.contains(key) && value.split(separator: ":").first.map { $0 == KeySource.credential } == true
  }
}
