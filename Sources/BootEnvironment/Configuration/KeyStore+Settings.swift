// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
package import SigningKeys

extension KeyStore {
  /// The owner's keys, with the private ones where the settings say.
  package init(of host: Host, _ configuration: Configuration) {
    self.init(of: host, privateDirectory: configuration.keyDirectory, passphraseFile: configuration.passphraseFile)
  }

  /// The owner's keys, whatever the other settings are.
  ///
  /// Throws `BootEnvironmentError` if the settings about keys are invalid, `HostError` if they cannot be read.
  package init(configuredOn host: Host) throws {
    self.init(of: host, try SettingsSurvey(of: host.files).configuration(of: "KeyDirectory", "PassphraseFile"))
  }
}
