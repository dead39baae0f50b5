// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import BootPaths
import CommandSupport
import Findings
import HostCommands
import HostSystem
internal import Messages

extension BootCommand {
  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "check",
      abstract: "Follow every boot path of this machine",
      discussion: """
        Follows the boot entries in the order in which the firmware tries them, then the removable path of each ESP: from \
        the partition to the file, then to the programs that it starts. Judges each program as firmware and shim do with \
        Secure Boot on. Changes nothing. The exit code is 1 if something needs attention.
        """)

    @OptionGroup var global: GlobalOptions

    @Option(
      help: ArgumentHelp("EFI variables to use, a copy of /sys/firmware/efi/efivars", valueName: "directory"),
      completion: .directory)
    var efivars: String?

    func run() throws {
      var check = BootCheck()
      check.variables = efivars
      let host = try global.host()
      let result = try check.run(on: host)
      if result.survey.isUncertain, host.effectiveUserID != 0 {
        try global.note("only root can read all ESPs; run this as root")
      }
      try global.print(page: result.text(isLong: global.verbose, on: global.page(on: host)), json: result.json)
      if result.needsAttention { throw ExitCode(1) }
    }
  }
}

extension BootCheck.Result {
  /// The report as text; `isLong` adds the programs on paths that start, and other menu entries.
  func text(isLong: Bool, on page: Page) -> String {
    var lines: [String] = []
    let known = survey.next.map { "\($0.name): \($0.programs)" as Message }
    let next: Message =
      survey.isUncertain
      ? known.map { "unknown, perhaps \($0)" } ?? "unknown" : known ?? "no boot path starts"
    lines += page.lines("boots next: \(next)")
    lines += page.lines(survey.isEnforced ? "Secure Boot: on" : "Secure Boot: off")
    for path in survey.paths + survey.preparations {
      lines.append("")
      lines += page.lines(path.headline, path.style)
      lines += path.details(isLong: isLong).flatMap { page.lines($0, margin: 2) }
    }
    for finding in findings where finding.severity >= .attention || isLong {
      lines.append("")
      lines += page.lines(finding.headline, finding.style)
      // A command has its own line, so that it can be pasted.
      for action in finding.actions {
        switch action {
        case .run(let command): lines.append("  \(command.localText)")
        case .advise(let advice): lines += page.lines("hint: \(advice)", margin: 2)
        }
      }
    }
    if let command {
      lines += ["", ("next step:" as Message).localText, "  " + page.painted(command.localText, .bold)]
    }
    return lines.joined(separator: "\n") + "\n"
  }

  var json: JSONValue {
    .object([
      "secure_boot_enforced": .boolean(survey.isEnforced), "next": JSONValue(survey.next?.name),
      "paths": .array(survey.paths.map(\.json)), "preparations": .array(survey.preparations.map(\.json)),
      "findings": .array(findings.map(\.json)), "command": JSONValue(command),
    ])
  }
}

extension Finding {
  fileprivate var style: Page.Style {
    switch severity {
    case .failure: .red
    case .attention: .yellow
    case .note: .plain
    }
  }

  fileprivate var headline: Message {
    switch severity {
    case .failure: "failure: \(message)"
    case .attention: "attention: \(message)"
    case .note: "note: \(message)"
    }
  }
}

extension BootPath {
  fileprivate var style: Page.Style {
    switch outcome {
    case .starts: .green
    case .rejected, .broken: .red
    case .depends: .yellow
    case .skipped, .unknown: .plain
    }
  }

  fileprivate var headline: Message {
    var marks: [Message] = []
    if let label { marks.append(Message(verbatim: label)) }
    if isOurs { marks.append("made by pve-sb-uki") }
    if isCurrent { marks.append("booted from") }
    return marks.isEmpty ? line : "\(line) (\(marks.joined(separator: ", ")))"
  }

  /// The steps, if one of them needs an explanation.
  fileprivate func details(isLong: Bool) -> [Message] {
    let isPlain = outcome == outcomeIfEnforced && (outcome == .starts || outcome == .skipped)
    var lines: [Message] = []
    if isLong, let devicePath { lines.append(Message(verbatim: devicePath)) }
    for step in steps where isLong || !isPlain || step.note != nil {
      if isLong || !isPlain { lines.append(step.line) }
      if let note = step.note { lines.append("note: \(note)") }
    }
    if isLong { lines += alternatives.map { "in the menu: \($0.line)" } }
    return lines
  }

  var json: JSONValue {
    let kind: String =
      switch origin {
      case .next: "next"
      case .entry: "entry"
      case .driver: "driver"
      case .preparation: "preparation"
      case .removable: "removable"
      }
    return .object([
      "path": .string(name.description), "kind": .string(kind), "label": JSONValue(label),
      "device_path": JSONValue(devicePath), "outcome": .string(outcome.rawValue),
      "outcome_if_enforced": .string(outcomeIfEnforced.rawValue), "own": .boolean(isOurs),
      "current": .boolean(isCurrent), "leads_to_uki": .boolean(leadsToUKI), "steps": .array(steps.map(\.json)),
      "menu": .array(alternatives.map(\.json)),
    ])
  }
}

extension BootStep {
  var json: JSONValue {
    .object([
      "program": .string(program.rawValue), "file": JSONValue(path), "partition": JSONValue(partition),
      "verdict": .string(verdict.rawValue), "reason": .string(reason.description), "note": JSONValue(note),
    ])
  }
}
