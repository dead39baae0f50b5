// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import CommandSupport
import HostCommands
internal import Messages

extension KeysCommand {
  struct Unstage: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "unstage",
      abstract: "Remove the files for an enrolment from every ESP",
      discussion: """
        Removes what 'enroll --stage', 'enroll --auto-enroll' and 'keys export' have put on an ESP, and an update that \
        removes PK, if it is signed by this host's PK. Leaves all other files alone. 'apply' removes staged files by itself \
        once the keys are enrolled.
        """)

    @OptionGroup var global: GlobalOptions

    @Flag(help: "Print what would be removed, and change nothing")
    var dryRun = false

    func run() throws {
      var unstage = KeysUnstage()
      unstage.isDryRun = dryRun
      let host = try global.hostOfRoot()
      let result = try unstage.run(on: host)
      let lines = result.partitions.flatMap(text)
      try global.print(
        lines.localLines + (lines.isEmpty || dryRun ? "" : "\n" + MachineState.text(on: host)), json: json(result))
      for failure in result.failures { ErrorReport.write(failure, program: "pve-sb-uki") }
      if !result.failures.isEmpty { throw ExitCode(1) }
    }

    private func text(_ partition: KeysUnstage.Partition) -> [Message] {
      var lines: [Message] = partition.removed.map { path in
        dryRun ? "\(partition.name): \(path) to be removed" : "\(partition.name): \(path) removed"
      }
      if partition.endsEnrolment {
        lines.append("\(partition.name): loader/loader.conf: 'secure-boot-enroll force' of pve-sb-uki removed")
      }
      return lines.isEmpty ? ["\(partition.name): no files for an enrolment"] : lines
    }

    private func json(_ result: KeysUnstage.Result) -> JSONValue {
      .object([
        "dry_run": .boolean(dryRun),
        "partitions": .array(
          result.partitions.map { partition in
            .object([
              "name": .string(partition.name), "removed": JSONValue(partition.removed),
              "ends_enrolment": .boolean(partition.endsEnrolment),
            ])
          }), "failures": JSONValue(result.failures.map(\.description)),
      ])
    }
  }
}
