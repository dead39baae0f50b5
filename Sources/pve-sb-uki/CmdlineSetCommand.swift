// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import Messages
import PveSbUki

struct CmdlineSetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set",
    abstract: "Write the kernel command line and make the images anew.",
    discussion: """
      The line may be given as one argument or as several. It is written if this machine can boot with it: root= has to \
      be there and to lead to a file system here, and words of live systems, installers and maintenance are refused.

      Example: pve-sb-uki cmdline set root=ZFS=rpool/ROOT/pve-1 boot=zfs quiet
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var change: CmdlineChangeOptions

  @Argument(help: ArgumentHelp("The words of the line.", valueName: "word"))
  var words: [String] = []

  @Flag(help: "Remove the kernel's own line; needs --kernel.")
  var none = false

  @Flag(help: "Only say what is wrong with the line and what would change.")
  var dryRun = false

  func validate() throws {
    guard words.isEmpty == none else { throw ValidationError(saying: "give the words of the line, or --none") }
    guard !none || change.kernel != nil else { throw ValidationError(saying: "--none needs --kernel") }
  }

  func run() throws {
    var set = CommandLineSet(line: none ? nil : words.joined(separator: " "), kernel: change.kernel)
    set.isDryRun = dryRun
    set.isForced = change.force
    let result = try set.run(on: global.host())
    guard result.errors.isEmpty else {
      for warning in result.warnings { try global.note(warning) }
      try change.report(result, nil, global, isDryRun: dryRun)
      change.tell(result)
      throw ExitCode(1)
    }
    try change.conclude(result, global, isDryRun: dryRun)
  }
}
