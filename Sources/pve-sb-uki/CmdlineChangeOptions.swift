// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandSupport
import Messages
import PveSbUki

/// Options of the commands that change the command line.
struct CmdlineChangeOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("The line of this kernel alone, instead of all.", valueName: "release"), completion: .kernels)
  var kernel: String?

  @Flag(help: "Write it though this machine may not boot with it.")
  var force = false

  @Flag(help: "Make no images; the next apply does.")
  var noApply = false

  /// Says what is wrong with a line.
  func tell(_ result: CommandLineSet.Result) {
    for error in result.errors.dropLast() { ErrorReport.write(Failure(error), program: "pve-sb-uki") }
    if let last = result.errors.last { ErrorReport.write(Failure(last, hint: result.hint), program: "pve-sb-uki") }
  }

  /// Reports what was written and makes images of it. That this fails takes nothing back.
  func conclude(_ result: CommandLineSet.Result, _ global: GlobalOptions, isDryRun: Bool) throws {
    for warning in result.warnings { try global.note(warning) }
    if !global.json { try global.print(result.text(isDryRun: isDryRun), json: .null) }
    guard !noApply, !isDryRun else { return try report(result, nil, global, isDryRun: isDryRun) }
    var apply = try ApplyCommand.parse([])
    apply.global = global
    do {
      let images = try apply.perform()
      try report(result, apply.json(images), global, isDryRun: isDryRun)
      if !global.json { try apply.report(images) }
      try apply.conclude(images)
    } catch {
      try global.note("the line is written; images that could not be made anew boot with the line they have")
      throw error
    }
  }

  /// One document for both.
  func report(
    _ result: CommandLineSet.Result, _ apply: JSONValue?, _ global: GlobalOptions, isDryRun: Bool
  ) throws {
    guard global.json else { return }
    try global.print("", json: result.json(isDryRun: isDryRun, apply: apply))
  }
}
