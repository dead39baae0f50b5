// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
import CommandSupport
import PveSbUki

extension Status.Report {
  /// One screen, 80 columns wide.
  func text(_ modules: ModuleReport) -> String {
    if let obstacle {
      return Self.lines("Nothing to do", [obstacle.message.description]) + Self.lines("Next", nextStep?.description)
    }
    var text = Self.lines("Secure Boot", [secureBoot?.description ?? "unknown: the firmware does not say"])
    text += Self.lines("Signed by", [certificate ?? "no certificate can be read"] + end + trust)
    text += Self.lines("Chain", chain)
    text += Self.lines("ESP", partitions.map(\.text))
    text += Self.lines("Kernels", kernels.isEmpty ? ["none is installed"] : kernels.map(\.text))
    if let entries { text += Self.lines("Boot order", entries.entries.filter { $0.place != nil }.map(\.statusText)) }
    text += Self.lines("Modules", modules.lines)
    if let lastFailure { text += Self.lines("Last failure", [lastFailure.time] + lastFailure.messages) }
    text += Self.lines("Notes", notes.map(\.description))
    text += Self.lines("Attention", problems.map(\.description))
    return text + Self.lines("Next", nextStep?.description ?? "nothing: all is well")
  }

  private var end: [String] { certificateEnd.map { ["until \($0)"] } ?? [] }

  private var trust: [String] {
    guard let isTrusted, let trustReason else { return [] }
    return ["\(isTrusted ? "accepted" : "REFUSED"): \(trustReason)"]
  }

  private static let margin = 14

  private static func lines(_ title: String, _ line: String?) -> String { lines(title, line.map { [$0] } ?? []) }

  /// The title, then each text at the margin, broken at blanks.
  private static func lines(_ title: String, _ texts: [String]) -> String {
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

extension Status.Partition {
  fileprivate var text: String { "\(name)  " + (problem?.description ?? free.map { "\($0 >> 20) MiB free" } ?? "") }

  fileprivate var json: JSONValue {
    .object(["name": .string(name), "free_bytes": JSONValue(free), "problem": JSONValue(problem)])
  }
}

extension Status.Kernel {
  fileprivate var text: String {
    let odd = states.filter { $0.state != .current }
    let state = odd.isEmpty ? "current" : odd.map { "\($0.state.rawValue) on \($0.partition)" }.joined(separator: ", ")
    return "\(release)  \(state)" + (reasons.isEmpty ? "" : "  (\(reasons.joined(separator: ", ")))")
  }

  fileprivate var json: JSONValue {
    .object([
      "kernel": .string(release), "running": .boolean(isRunning), "reasons": JSONValue(reasons),
      "images": .array(
        states.map { .object(["partition": .string($0.partition), "state": .string($0.state.rawValue)]) }),
    ])
  }
}

extension BootList.Entry {
  fileprivate var statusText: String {
    var remarks: [String] = []
    if isCurrent { remarks.append("booted from") }
    if isNext { remarks.append("next") }
    if owner != .ours { remarks.append("not ours") }
    return "\(number.name)  \(label ?? "?")" + (remarks.isEmpty ? "" : "  (\(remarks.joined(separator: ", ")))")
  }
}

extension Status.Report {
  func json(_ modules: ModuleReport) -> JSONValue {
    .object([
      "obstacle": JSONValue(obstacle.map { "\($0)" }), "secure_boot": JSONValue(secureBoot),
      "certificate": JSONValue(certificate), "certificate_end": JSONValue(certificateEnd),
      "chain": JSONValue(chain), "trusted": JSONValue(isTrusted), "trust_reason": JSONValue(trustReason),
      "partitions": .array(partitions.map(\.json)), "kernels": .array(kernels.map(\.json)),
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
