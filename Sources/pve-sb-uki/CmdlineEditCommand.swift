// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandSupport
import HostSystem
import Messages
import PveSbUki

struct CmdlineEditCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edit",
    abstract: "Edit the kernel command line and make the images anew.",
    discussion: """
      Opens the file in the editor that VISUAL or EDITOR name, else in Debian's. What comes out is judged as by 'cmdline \
      set'; nothing is written before it is right.
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var change: CmdlineChangeOptions

  func run() throws {
    let host = try global.host()
    var edit = CommandLineEdit(kernel: change.kernel)
    edit.isForced = change.force
    let result = try edit.run(on: host) { result in
      change.tell(result)
      while let answer = try host.terminal.ask("Edit again, or give up? [E/g] ") {
        switch answer.lowercased() {
        case "", "e": return true
        case "g": return false
        default: continue
        }
      }
      return false
    }
    guard result.errors.isEmpty else { throw Failure("\(result.path): nothing was changed") }
    try change.conclude(result, global, isDryRun: false)
  }
}
