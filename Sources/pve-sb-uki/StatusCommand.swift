// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import PveSbUki

struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Say whether this machine will boot what it should, and what to do if not.",
    discussion: """
      Changes nothing, and reads every image once. Exit code 1 means that something needs attention.
      """)

  @OptionGroup var global: GlobalOptions

  @Flag(help: "Trust the record of images and do not read them.")
  var quick = false

  func run() throws {
    let host = try global.host()
    var status = Status()
    status.isQuick = quick
    var report = try status.run(on: host)
    let modules = try ModuleReport(report, on: host)
    report.add(modules.problems(report))
    try global.print(report.text(modules), json: report.json(modules))
    if report.needsAttention { throw ExitCode(1) }
  }
}
