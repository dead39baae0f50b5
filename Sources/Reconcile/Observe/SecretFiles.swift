// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem
internal import Messages
internal import SigningKeys

/// Files with secrets that users other than root can read, or replace.
enum SecretFiles {
  /// The findings about the keys, the file with their passphrase, and settings that contain a PIN.
  ///
  /// Empty if the host cannot be read, which is reported elsewhere.
  static func exposures(_ configuration: Configuration, on host: Host) -> [Failure] {
    var files = [KeyStore.standardDirectory, configuration.keyDirectory].flatMap { directory in
      KeyRole.allCases.map { PathName.join(directory, KeyStore.keyFile(of: $0)) }
    }
    if configuration.keyDirectory == KeyStore.standardDirectory { files.removeLast(KeyRole.allCases.count) }
    var found: [Failure] = []
    if configuration.key.hasPrefix("/") {
      if !files.contains(configuration.key) { files.append(configuration.key) }
      let directory = PathName(configuration.key).directory
      found += (try? host.exposures(of: directory, forbidden: 0o022, wanted: 0o700)) ?? []
    }
    if let passphraseFile = configuration.passphraseFile { files.append(passphraseFile) }
    for assignment in (try? SettingsSurvey(of: host.files))?.assignments ?? []
    where assignment.entry.key == "Key" && KeySource.holdsPIN(assignment.entry.value) {
      if files.last != assignment.path { files.append(assignment.path) }
    }
    return found + files.flatMap { (try? host.exposures(of: $0, forbidden: 0o077, wanted: 0o600)) ?? [] }
  }
}
