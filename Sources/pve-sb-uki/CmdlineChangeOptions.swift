// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BinaryFormat
import PveSbUki

/// Options of the commands that change the command line.
struct CmdlineChangeOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The line of this kernel alone, instead of all.", valueName: "release"))
  var kernel: String?

  @Flag(help: "Write it though this machine may not boot with it.")
  var force = false

  @Flag(help: "Make no images; the next apply does.")
  var noApply = false

  /// Makes images of what was written. That this fails takes nothing back.
  func apply(_ global: GlobalOptions) throws {
    guard !noApply else { return }
    var apply = try ApplyCommand.parse([])
    apply.global = global
    do {
      try apply.run()
    } catch {
      try global.note("the line is written; until apply succeeds, images that exist boot with the line they have")
      throw error
    }
  }
}
