// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser

struct CmdlineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cmdline",
    abstract: "Show and change the kernel command line that images carry.",
    subcommands: [CmdlineShowCommand.self, CmdlineSetCommand.self, CmdlineEditCommand.self])

  // Options may stand in front of the subcommand too.
  @OptionGroup var global: GlobalOptions
}
