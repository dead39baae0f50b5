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
    abstract: "Maintain signed Unified Kernel Images (UKIs) on a Proxmox VE host's EFI System Partitions",
    discussion: "Exit codes: 0 success or healthy, 1 failure or problem found, 2 wrong usage.",
    version: ProductVersion.text,
    subcommands: [
      ApplyCommand.self, StatusCommand.self, BuildCommand.self, SignCommand.self, VerifyCommand.self,
      InspectCommand.self,
      KeysCommand.self, EnrollCommand.self, BootCommand.self, CommandLineCommand.self, ConfigCommand.self,
      MigrateBootCommand.self,
    ])

  // Options may come before the subcommand too.
  @OptionGroup var global: GlobalOptions

  static func main() { CommandLineProgram.run(Self.self, name: "pve-sb-uki") }
}
