// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser

struct KeysCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys",
    abstract: "Create, list and export this host's Secure Boot keys",
    subcommands: [Create.self, List.self, Export.self, Unstage.self])

  // Options may come before the subcommand too.
  @OptionGroup var global: GlobalOptions
}
