// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BinaryFormat
import CommandLineInterface
import CommandSupport
import Cryptography
import HostCommands
import HostSystem
import KeyEnrolment
internal import Messages
import SecureBoot

struct StageOptions: ParsableArguments {
  @Flag(help: "With --auto-enroll: let systemd-boot enrol the keys without a question, also on real machines")
  var forceEnroll = false

  @Flag(help: "Afterwards, reboot into the firmware's menu")
  var rebootToFirmware = false
}

extension EnrollCommand {
  func stage(on host: Host, isAutomatic: Bool) throws {
    try checkStageOptions(isAutomatic: isAutomatic)
    let menu = MenuWalk(of: host)
    if stage.rebootToFirmware, !menu.opensOnRequest {
      throw Failure(
        "this firmware does not open its menu on request",
        hint: "omit --reboot-to-firmware, run 'systemctl reboot', and press the key for the firmware's menu")
    }
    var use = StageKeys()
    use.isAutomatic = isAutomatic
    use.forcesEnrolment = stage.forceEnroll
    use.vendor = firmware.vendor
    use.additions = firmware.additions
    use.isDryRun = dryRun
    let result = try use.run(on: host)
    for note in result.notes { try global.note(note) }
    try global.print(result.text(isDryRun: dryRun, to: host), json: result.json(isDryRun: dryRun))
    for failure in result.failures { ErrorReport.write(failure, program: "pve-sb-uki") }
    guard result.failures.isEmpty else { throw ExitCode(1) }
    if stage.rebootToFirmware, !dryRun { try reboot(host) }
  }

  private func checkStageOptions(isAutomatic: Bool) throws {
    if stage.forceEnroll, !isAutomatic {
      throw ValidationError(saying: "--force-enroll needs --auto-enroll")
    }
    if stage.rebootToFirmware, isAutomatic {
      throw ValidationError(saying: "--reboot-to-firmware cannot be used with --auto-enroll; run 'systemctl reboot'")
    }
  }

  /// Asks, unless --yes says not to; without a terminal, --yes is needed.
  private func reboot(_ host: Host) throws {
    if !yes {
      guard host.terminal.isThere() else {
        throw ValidationError(saying: "--reboot-to-firmware asks for confirmation; without a terminal, add --yes")
      }
      guard try host.terminal.confirms("Reboot into the firmware's menu now? [y/N] ") else { return }
    }
    let status = try host.processes.run("systemctl", arguments: ["reboot", "--firmware-setup"])
    guard status == 0 else {
      throw Failure("systemctl failed with status \(status)", hint: "run 'systemctl reboot --firmware-setup'")
    }
  }
}

extension StageKeys.Result {
  fileprivate func text(isDryRun: Bool, to host: Host) -> String {
    let files: [Message] = partitions.flatMap { partition in
      var lines: [Message] = partition.written.map { path in
        isDryRun ? "\(partition.name): \(path) to be written" : "\(partition.name): \(path) written"
      }
      if partition.written.isEmpty {
        lines.append("\(partition.name): \(partition.unchanged) files unchanged")
      }
      return lines
    }
    var keys: [Message] = ["Certificate that signs UKIs: \(certificate.displayName)"]
    for list in lists {
      keys += list.entries.filter { $0.origin != .own }.map { "\(list.name) also gets \($0.name)" }
    }
    let page = Page().text(of: [
      Page.Section("Keys", keys), Page.Section("Next", [nextCommand], isWrapped: false), Page.Section("Then", steps),
    ])
    return files.localLines + (files.isEmpty ? "" : "\n") + page
  }

  fileprivate func json(isDryRun: Bool) -> JSONValue {
    .object([
      "dry_run": .boolean(isDryRun),
      "partitions": .array(
        partitions.map { partition in
          .object([
            "name": .string(partition.name), "written": JSONValue(partition.written),
            "unchanged": .integer(partition.unchanged),
          ])
        }),
      "lists": .array(
        lists.map { list in
          .object([
            "name": .string(list.name),
            "entries": .array(
              list.entries.map { entry in
                .object([
                  "name": .string(entry.name.description), "origin": .string(entry.origin.rawValue),
                  "fingerprint_sha256": JSONValue(entry.fingerprint),
                ])
              }),
          ])
        }),
      "steps": JSONValue(steps), "next_command": .string(nextCommand.description), "notes": JSONValue(notes),
      "failures": JSONValue(failures.map(\.description)),
    ])
  }
}
