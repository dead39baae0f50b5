// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import CommandSupport
import HostSystem
internal import Messages

/// Options of all commands.
struct GlobalOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Use <dir> as / for all paths of the host", valueName: "dir"), completion: .directory)
  var root = "/"

  @Flag(help: "Print the result as JSON")
  var json = false

  @Flag(help: "Print only errors")
  var quiet = false

  @Flag(help: "Print more details")
  var verbose = false

  @Option(help: "Use colours: always, never, or auto for a terminal without NO_COLOR")
  var color = ColorChoice.auto

  enum ColorChoice: String, ExpressibleByArgument, CaseIterable {
    case auto, always, never
  }

  func host() throws -> Host {
    var host = try Host(root: root)
    if !quiet { ProgressLine.follow(&host) }
    return host
  }

  /// Where results are shown: at most 80 columns, fewer on a narrow terminal.
  func page(on host: Host) -> Page {
    let output = StandardStream.output
    let isPlain = host.environment("NO_COLOR").map { !$0.isEmpty } ?? false
    let isColored = color == .always || color == .auto && output.isTerminal && !isPlain
    return Page(width: min(80, output.columns ?? 80), isColored: isColored)
  }

  /// The host, for commands that only root can run.
  ///
  /// Throws `Failure` for another user, instead of an error for the first file that root keeps to itself.
  func hostOfRoot() throws -> Host {
    let host = try host()
    guard host.isRunningSystem, host.effectiveUserID != 0 else { return host }
    let words = ["sudo", "pve-sb-uki"] + ProcessArguments.all.dropFirst().map(\.shellWord)
    throw Failure("run it as root: \(words.joined(separator: " "))")
  }

  /// Prints a result: `document` with --json, else `text` unless --quiet.
  func print(_ text: @autoclosure () -> String, json document: @autoclosure () -> JSONValue) throws {
    ProgressLine.end()
    if json {
      try StandardStream.output.write(document().withSchema.serialize())
    } else if !quiet {
      try StandardStream.output.write(text().terminalText)
    }
  }

  /// Prints a result on a page, whose text is safe for terminals.
  func print(page text: @autoclosure () -> String, json document: @autoclosure () -> JSONValue) throws {
    if json || quiet { return try print("", json: document()) }
    ProgressLine.end()
    try StandardStream.output.write(text())
  }

  /// Prints a note to standard error.
  func note(_ text: Message) throws {
    ProgressLine.end()
    if !quiet { try StandardStream.error.write(("pve-sb-uki: note: \(text)" as Message).localLine.terminalText) }
  }
}

extension CompletionKind {
  /// Releases of the kernels in /boot of the machine that the shell runs on.
  static let kernels = CompletionKind.shellCommand("find /boot -maxdepth 1 -name 'vmlinuz-*' | sed 's/.*vmlinuz-//'")
}
