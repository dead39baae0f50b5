// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandSupport
import HostCommands
import Messages

struct CommandLineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cmdline",
    abstract: "Show and change the kernel command line of the UKIs",
    subcommands: [
      CommandLineShowCommand.self, CommandLineSetCommand.self, CommandLineAddCommand.self,
      CommandLineRemoveCommand.self, CommandLineEditCommand.self,
    ])

  // Options may come before the subcommand too.
  @OptionGroup var global: GlobalOptions
}

struct CommandLineShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show the configured command line, those in the UKIs, and the running one",
    discussion: "Reads the line from each UKI. The exit code is 1 if a kernel's configured line cannot be read.")

  @OptionGroup var global: GlobalOptions

  @Flag(help: "Print only the line in /etc/kernel/cmdline, or the one used without that file")
  var base = false

  func run() throws {
    let host = try global.host()
    if base {
      let result = try CommandLineBase().run(on: host)
      return try global.print(
        "\(result.line)\n", json: ["line": .string(result.line), "path": .string(result.path)])
    }
    let report = try CommandLineShow().run(on: host)
    for problem in report.problems { try global.note(problem) }
    try global.print(report.text, json: report.json)
    if !report.isComplete { throw ExitCode(1) }
  }
}

extension CommandLineShow.Report {
  var text: String {
    var lines: [Message] = []
    for line in self.lines { lines += line.textLines }
    if let running { lines += [running.title] + running.textLines }
    for image in images { lines += image.textLines }
    return lines.localLines
  }

  var json: JSONValue {
    .object([
      "configured": .array(lines.map(\.json)), "running": running?.json ?? .null, "images": .array(images.map(\.json)),
      "problems": JSONValue(problems),
    ])
  }
}

extension CommandLineShow.Line {
  fileprivate var title: Message {
    let files = paths.joined(separator: ", ")
    guard let kernel else { return paths.isEmpty ? "Configured:" : "Configured in \(files):" }
    return paths.isEmpty ? "Configured for kernel \(kernel):" : "Configured for kernel \(kernel) in \(files):"
  }

  fileprivate var textLines: [Message] {
    var lines = [title]
    if let text { lines.append("  \(text)") }
    return lines + errors.map { "  error: \($0)" } + warnings.map { "  warning: \($0)" }
  }

  fileprivate var json: JSONValue {
    .object([
      "kernel": JSONValue(kernel), "line": JSONValue(text), "files": JSONValue(paths), "errors": JSONValue(errors),
      "warnings": JSONValue(warnings),
    ])
  }
}

extension CommandLineShow.Use {
  /// The title for the line of the running system.
  fileprivate var title: Message {
    kernel.map { "Running, kernel \($0):" } ?? "Running, kernel unknown:"
  }

  fileprivate var textLines: [Message] {
    guard let difference else { return ["  \(text)"] }
    guard !difference.isEmpty else { return ["  \(text)", "  as configured"] }
    let sentences = difference.sentences(added: "additional", missing: "missing")
    return ["  \(text)", "  differs from the configured line:"] + sentences.map { "    \($0)" }
  }

  fileprivate var members: [String: JSONValue] {
    ["kernel": JSONValue(kernel), "line": .string(text), "difference": difference?.json ?? .null]
  }

  fileprivate var json: JSONValue { .object(members) }
}

extension CommandLineShow.Image {
  fileprivate var textLines: [Message] {
    let place = "\(esp): \(path.dropFirst())"
    let title: Message = isOurs ? "\(place):" : "\(place) (not made by pve-sb-uki):"
    return [title] + (use?.textLines ?? []) + (problem.map { ["  error: \($0)"] } ?? [])
  }

  fileprivate var json: JSONValue {
    var members: [String: JSONValue] = ["kernel": .null, "line": .null, "difference": .null]
    if let use { members = use.members }
    members["partition"] = .string(esp)
    members["path"] = .string(path)
    members["ours"] = .boolean(isOurs)
    members["problem"] = JSONValue(problem)
    return .object(members)
  }
}
