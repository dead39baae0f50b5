// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem
internal import Messages
internal import SigningKeys

/// Temporary files of pve-sb-uki on the host that a killed process left behind; those of `keys create` have complete
/// private keys.
enum HostLeftovers {
  /// Every directory in which the package writes files.
  private static let directories = [
    "/etc/pve-sb-uki", KeyStore.standardDirectory, "/var/lib/pve-sb-uki", "/run/pve-sb-uki", "/etc/kernel",
    CommandLine.fragmentDirectory, PathName(DKMSSigning.path).directory,
  ]

  /// Removes them, also from the directory of the private keys.
  ///
  /// Returns a failure for each directory in which that is not possible.
  ///
  /// `configuration` is nil if the settings were not read completely.
  static func sweep(_ files: FileSystem, _ configuration: Configuration? = nil) -> [Failure] {
    let configuration = configuration ?? (try? SettingsSurvey(of: files).configuration(of: "KeyDirectory"))
    let others = [configuration?.keyDirectory].compactMap { $0 }.filter { !directories.contains($0) }
    return (directories + others).compactMap { directory in
      do {
        try files.removeAbandoned(in: directory)
        return nil
      } catch {
        return Failure(directory, error)
      }
    }
  }
}
