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

  func host() throws -> Host { try Host(root: root) }

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
    if json {
      try StandardStream.output.write(document().withSchema.serialize())
    } else if !quiet {
      try StandardStream.output.write(text().terminalText)
    }
  }

  /// Prints a note to standard error.
  func note(_ text: Message) throws {
    if !quiet { try StandardStream.error.write(("pve-sb-uki: note: \(text)" as Message).localLine.terminalText) }
  }
}

extension CompletionKind {
  /// Releases of the kernels in /boot of the machine that the shell runs on.
  static let kernels = CompletionKind.shellCommand("find /boot -maxdepth 1 -name 'vmlinuz-*' | sed 's/.*vmlinuz-//'")
}
