// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import HostSystem

/// Where a command that works on the keys gets passphrases from.
struct PassphraseOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "File whose first line is the passphrase; by default the command asks on a terminal", valueName: "file"),
    completion: .file())
  var passphraseFile: String?

  /// The host, which asks for passphrases if there is a user.
  func signing(_ host: Host) -> Host {
    var host = host
    host.passphrases.file = passphraseFile
    host.passphrases.mayAsk = Terminal.hasUser
    return host
  }
}
