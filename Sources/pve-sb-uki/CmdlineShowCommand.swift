// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandSupport
import Messages
import PveSbUki

struct CmdlineShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show the command line that is set, those in the images, and the running one.",
    discussion: "Each image is asked itself. Exit code 1 means that no line can be read for some kernel.")

  @OptionGroup var global: GlobalOptions

  @Flag(help: "Print only the line in /etc/kernel/cmdline, or the one that counts without it.")
  var base = false

  func run() throws {
    let host = try global.host()
    if base {
      let result = try CommandLineBase().run(on: host)
      return try global.print(
        "\(result.line)\n", json: ["line": .string(result.line), "path": .string(result.path)])
    }
    let report = try CommandLineShow().run(on: host)
    for problem in report.problems { try global.note(problem) }
    try global.print(report.text, json: report.json)
    if !report.isComplete { throw ExitCode(1) }
  }
}
