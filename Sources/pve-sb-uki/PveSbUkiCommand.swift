// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import BootEnvironment
import CommandLineInterface
import CommandSupport

/// The command `pve-sb-uki`.
///
/// Each subcommand parses its arguments, calls one use case and prints the result.
@main
struct PveSbUkiCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pve-sb-uki",
    abstract: "Signed Unified Kernel Images on every EFI System Partition of a Proxmox VE host.",
    discussion: "Exit codes: 0 done or healthy, 1 failed or a problem was found, 2 wrong usage.",
    version: ProductVersion.text,
    subcommands: [
      ApplyCommand.self, StatusCommand.self, BuildCommand.self, SignCommand.self, VerifyCommand.self,
      InspectCommand.self,
      KeysCommand.self, BootCommand.self, CommandLineCommand.self, ConfigCommand.self,
    ])

  // Options may come before the subcommand too.
  @OptionGroup var global: GlobalOptions

  static func main() { CommandLineProgram.run(Self.self, name: "pve-sb-uki") }
}
