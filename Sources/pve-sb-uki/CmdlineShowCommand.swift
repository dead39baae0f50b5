// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandSupport
import PveSbUki

struct CmdlineShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show the command line that is set.")

  @OptionGroup var global: GlobalOptions

  @Flag(help: "Print only the line in /etc/kernel/cmdline, or the one that counts without it.")
  var base = false

  func run() throws {
    let result = try CommandLineBase().run(on: global.host())
    try global.print("\(result.line)\n", json: ["line": .string(result.line), "path": .string(result.path)])
  }
}
