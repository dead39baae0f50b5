// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import BootPaths
import CommandSupport
import Findings
import HostCommands
internal import Messages

extension BootCommand {
  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "check",
      abstract: "Follow every way by which this machine may start",
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
      let result = try check.run(on: global.host())
      try global.print(result.text(isLong: global.verbose), json: result.json)
      if result.needsAttention { throw ExitCode(1) }
    }
  }
}

extension BootCheck.Result {
  /// The report as text, 80 columns wide; `isLong` adds the programs on paths that start, and other menu entries.
  func text(isLong: Bool) -> String {
    var lines: [String] = []
    let known = survey.next.map { "\($0.name): \($0.programs)" as Message }
    let next: Message =
      survey.isUncertain
      ? known.map { "unknown, perhaps \($0)" } ?? "unknown" : known ?? "no boot path starts"
    lines += Self.indented("boots next: \(next)", by: 0)
    lines += Self.indented(survey.isEnforced ? "Secure Boot: on" : "Secure Boot: off", by: 0)
    for path in survey.paths + survey.preparations {
      lines.append("")
      lines += Self.indented(path.headline, by: 0)
      lines += path.details(isLong: isLong).flatMap { Self.indented($0, by: 2) }
    }
    for finding in findings where finding.severity >= .attention || isLong {
      lines.append("")
      lines += Self.indented(finding.headline, by: 0)
      for action in finding.actions { lines += action.lines.flatMap { Self.indented($0, by: 2) } }
    }
    if let command {
      lines += ["", ("next step:" as Message).localText, "  \(command.localText)"]
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// The text in lines of at most 80 columns where words allow; further lines are indented by two more.
  private static func indented(_ message: Message, by margin: Int) -> [String] {
    let text = message.localText
    let start = String(repeating: " ", count: margin)
    guard text.count > 80 - margin else { return [start + text] }
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ", omittingEmptySubsequences: false) {
      if !line.isEmpty, start.count + line.count + 1 + word.count > 80 {
        lines.append(start + line)
        line = "  " + word
      } else {
        line += line.isEmpty ? String(word) : " " + word
      }
    }
    return lines + [start + line]
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
  fileprivate var headline: Message {
    switch severity {
    case .failure: "failure: \(message)"
    case .attention: "attention: \(message)"
    case .note: "note: \(message)"
    }
  }
}

extension Finding.Action {
  /// A command has its own line, so that it can be pasted.
  fileprivate var lines: [Message] {
    switch self {
    case .run(let command): [command]
    case .advise(let advice): ["hint: \(advice)"]
    }
  }
}

extension BootPath {
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
