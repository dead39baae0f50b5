// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import ArgumentParser
package import HostSystem

/// The option for the passphrase of a key, which commands that sign have.
package struct PassphraseOptions: ParsableArguments {
  package init() {}

  @Option(
    help: ArgumentHelp("File whose first line is the key's passphrase or PIN", valueName: "file"), completion: .file())
  package var passphraseFile: String?

  /// The host, for a command that signs: it may ask a person at the terminal, and reads the file of the option.
  package func signing(_ host: Host) -> Host {
    var host = host
    host.passphrases.mayAsk = Terminal.hasUser
    host.passphrases.file = passphraseFile
    return host
  }
}
