// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import CommandSupport
import HostCommands
internal import Messages

struct MigrateBootCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate-boot",
    abstract: "Move a /boot partition into the root file system",
    discussion: """
      A machine that boots from UKIs needs no /boot outside its encrypted root file system. This copies the files, \
      disables the line in /etc/fstab, and rebuilds initrds and UKIs. After a reboot, run it again: it then shows the \
      command that overwrites and removes the partition, and never does that itself. After a kill or power cut, run it \
      again, too. A step that fails before the rebuild is undone.
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var passphrase: PassphraseOptions

  @Flag(help: "Show what would be done, or why it cannot be done, and write nothing")
  var dryRun = false

  func run() throws {
    var migration = BootMigration()
    migration.isDryRun = dryRun
    let result = try migration.run(on: passphrase.signing(global.hostOfRoot()))
    for note in result.notes { try global.note(note) }
    try global.print(result.text(isDryRun: dryRun), json: result.json(isDryRun: dryRun))
    for obstacle in result.obstacles { ErrorReport.write(obstacle, program: "pve-sb-uki") }
    if !result.obstacles.isEmpty { throw ExitCode(1) }
  }
}

extension BootMigration.Result {
  fileprivate func text(isDryRun: Bool) -> String {
    var lines: [Message] = steps.map { isDryRun ? "to do: \($0)" : "done: \($0)" }
    if let next { lines += [next.reason, "  \(next.command)"] }
    if isDryRun, !steps.isEmpty { lines += ["To start:", "  pve-sb-uki migrate-boot"] }
    return lines.localLines
  }

  fileprivate func json(isDryRun: Bool) -> JSONValue {
    .object([
      "dry_run": .boolean(isDryRun), "state": JSONValue(state?.rawValue), "device": JSONValue(partition?.path),
      "steps": JSONValue(steps), "notes": JSONValue(notes), "obstacles": JSONValue(obstacles.map(\.message)),
      "next": JSONValue(next?.command),
    ])
  }
}
