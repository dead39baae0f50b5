// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BootEnvironment
import CommandSupport
import HostCommands
internal import Messages
internal import Reconcile

struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Check whether this machine boots as intended, and what to do if not",
    discussion: """
      Changes nothing, and reads every UKI once. The exit code is 1 if something needs attention.
      """)

  @OptionGroup var global: GlobalOptions

  @Flag(help: "Trust the record of UKIs and do not read them")
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

extension Status.Report {
  /// The report as text, 80 columns wide.
  func text(_ modules: ModuleReport) -> String {
    let shown = sections(modules).filter { !$0.lines.isEmpty }.map { ($0.title.localText, $0.lines.map(\.localText)) }
    // Other languages may need wider titles.
    let margin = shown.reduce(14) { max($0, $1.0.count + 2) }
    return shown.map { Self.lines($0, texts: $1, margin: margin) }.joined()
  }

  private typealias Section = (title: Message, lines: [Message])

  private func sections(_ modules: ModuleReport) -> [Section] {
    if let skipReason { return [("Nothing to do", [skipReason.message]), ("Next", next)] }
    let signer = certificate.map { Message(verbatim: $0) } ?? "certificate not readable"
    let present = kernels.map(\.text)
    let past = lastFailure.map { record in ([record.time] + record.messages).map { Message(verbatim: $0) } }
    return [
      ("Secure Boot", [secureBoot ?? "unknown: not reported by the firmware"]),
      ("Signed by", [signer] + end + trust),
      ("Chain", chain.map { [Message(verbatim: $0)] } ?? []),
      ("ESP", esps.map(\.text)),
      ("Kernels", present.isEmpty ? ["none installed"] : present),
      ("Boot order", entries?.entries.filter { $0.place != nil }.map(\.statusText) ?? []),
      ("Modules", modules.lines),
      ("Last failure", past ?? []),
      ("Notes", notes),
      ("Attention", problems.map(\.message)),
      ("Next", next.isEmpty ? ["nothing to do"] : next),
    ]
  }

  private var next: [Message] { nextStep.map { [$0] } ?? [] }

  private var end: [Message] { certificateEnd.map { ["valid until \($0)"] } ?? [] }

  private var trust: [Message] {
    guard let isTrusted, let trustReason else { return [] }
    return [isTrusted ? "accepted: \(trustReason)" : "REJECTED: \(trustReason)"]
  }

  /// The title, then each text at the margin, wrapped at spaces.
  private static func lines(_ title: String, texts: [String], margin: Int) -> String {
    var output = ""
    for (index, text) in texts.flatMap({ wrapped($0, 80 - margin) }).enumerated() {
      let head = index == 0 ? title : ""
      output += head + String(repeating: " ", count: margin - head.count) + text + "\n"
    }
    return output
  }

  private static func wrapped(_ text: String, _ width: Int) -> [String] {
    guard text.count > width else { return [text] }
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      if !line.isEmpty, line.count + 1 + word.count > width {
        lines.append(line)
        line = "  "
      } else if !line.isEmpty, line != "  " {
        line += " "
      }
      line += word
    }
    return lines + [line]
  }
}

extension Status.ESP {
  fileprivate var text: Message {
    if let problem { return "\(name)  \(problem)" }
    return free.map { "\(name)  \($0 >> 20) MiB free" } ?? "\(name)"
  }

  fileprivate var json: JSONValue {
    .object(["name": .string(name), "free_bytes": JSONValue(free), "problem": JSONValue(problem)])
  }
}

extension Status.Kernel {
  fileprivate var text: Message {
    let deviating = states.filter { $0.state != .current }
    let state =
      deviating.isEmpty ? State.current.word : deviating.map { "\($0.state.word) on \($0.esp)" }.joined(separator: ", ")
    return reasons.isEmpty ? "\(release)  \(state)" : "\(release)  \(state)  (\(reasonWords.joined(separator: ", ")))"
  }

  fileprivate var json: JSONValue {
    .object([
      "kernel": .string(release), "running": .boolean(isRunning), "reasons": JSONValue(reasons),
      "images": .array(
        states.map { .object(["partition": .string($0.esp), "state": .string($0.state.rawValue)]) }),
    ])
  }
}

extension BootList.Entry {
  fileprivate var statusText: Message {
    var marks: [Message] = []
    if isCurrent { marks.append("booted from") }
    if isNext { marks.append("next") }
    if owner != .ours, !isMissing { marks.append("not made by pve-sb-uki") }
    let entry = "\(number.name)  \(title)" as Message
    return marks.isEmpty ? entry : "\(entry)  (\(marks.joined(separator: ", ")))"
  }
}

extension Status.Report {
  func json(_ modules: ModuleReport) -> JSONValue {
    .object([
      "obstacle": JSONValue(skipReason?.rawValue), "secure_boot": JSONValue(secureBoot),
      "certificate": JSONValue(certificate), "certificate_end": JSONValue(certificateEnd),
      "chain": JSONValue(chain), "trusted": JSONValue(isTrusted), "trust_reason": JSONValue(trustReason),
      "partitions": .array(esps.map(\.json)), "kernels": .array(kernels.map(\.json)),
      "boot_entries": entries?.json ?? .null,
      "last_failure": lastFailure.map { .object(["time": .string($0.time), "messages": JSONValue($0.messages)]) }
        ?? .null,
      "problems": .array(
        problems.map { .object(["problem": .string($0.description), "hint": JSONValue($0.hint)]) }),
      "modules": modules.json, "notes": JSONValue(notes), "next": JSONValue(nextStep),
      "healthy": .boolean(!needsAttention),
    ])
  }
}
