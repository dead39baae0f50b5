// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import CommandSupport
import HostCommands
import HostSystem
import Messages

struct CommandLineSetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set",
    abstract: "Set the kernel command line and rebuild the UKIs",
    discussion: """
      The first argument may be a whole line; each further one is a word. The line is rejected if this machine cannot \
      boot with it: root= must be set and lead to a file system of this machine, and parameters of live systems, \
      installers and maintenance modes are not accepted.

      Example: pve-sb-uki cmdline set root=ZFS=rpool/ROOT/pve-1 boot=zfs quiet
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var change: CommandLineChangeOptions

  @Argument(help: ArgumentHelp("Words of the command line", valueName: "word"))
  var words: [String] = []

  @Flag(help: "Remove the kernel's own line; requires --kernel")
  var none = false

  @Flag(help: "Only check the line and show what would change")
  var dryRun = false

  func validate() throws {
    guard words.isEmpty == none else { throw ValidationError(saying: "specify the command line or --none") }
    guard !none || change.kernel != nil else { throw ValidationError(saying: "--none requires --kernel") }
  }

  func run() throws {
    let set =
      try none
      ? CommandLineSet(.discard, kernel: change.kernel) : CommandLineSet(arguments: words, kernel: change.kernel)
    try change.perform(set, with: global, isDryRun: dryRun)
  }
}

struct CommandLineAddCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add",
    abstract: "Add words to the kernel command line and rebuild the UKIs",
    discussion: """
      Words that the line already contains are not added again. The result is checked as by 'cmdline set'.

      Example: pve-sb-uki cmdline add intel_iommu=on iommu=pt
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var change: CommandLineChangeOptions

  @Argument(help: ArgumentHelp("Words to add at the end", valueName: "word"))
  var words: [String]

  @Flag(help: "Only check the line and show what would change")
  var dryRun = false

  func run() throws {
    let set = try CommandLineSet(arguments: words, kernel: change.kernel) { .add($0) }
    try change.perform(set, with: global, isDryRun: dryRun)
  }
}

struct CommandLineRemoveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove",
    abstract: "Remove words from the kernel command line and rebuild the UKIs",
    discussion: """
      A word without '=' also means all parameters of that name: 'console' removes every console=. The result is \
      checked as by 'cmdline set'.

      Example: pve-sb-uki cmdline remove quiet
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var change: CommandLineChangeOptions

  @Argument(help: ArgumentHelp("Words to remove", valueName: "word"))
  var words: [String]

  @Flag(help: "Only check the line and show what would change")
  var dryRun = false

  func run() throws {
    try change.perform(CommandLineSet(.remove(words), kernel: change.kernel), with: global, isDryRun: dryRun)
  }
}

struct CommandLineEditCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edit",
    abstract: "Edit the kernel command line and rebuild the UKIs",
    discussion: """
      Opens the file in the editor that VISUAL or EDITOR names, otherwise in Debian's default editor. The result is \
      checked as by 'cmdline set' and written only if it is valid.
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var change: CommandLineChangeOptions

  func run() throws {
    let host = try global.host()
    var edit = CommandLineEdit(kernel: change.kernel)
    edit.isForced = change.force
    let result = try edit.run(on: host) { result in
      change.printErrors(of: result)
      while let answer = try host.terminal.ask("Edit again, or give up? [E/g] ") {
        switch answer.lowercased() {
        case "", "e": return true
        case "g": return false
        default: continue
        }
      }
      return false
    }
    guard result.errors.isEmpty else { throw Failure("\(result.path): unchanged") }
    try change.conclude(result, with: global, isDryRun: false)
  }
}

/// Options of the commands that change the command line.
struct CommandLineChangeOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Change the line of this kernel only", valueName: "release"), completion: .kernels)
  var kernel: String?

  @Flag(help: "Write the line even if this machine may not boot with it")
  var force = false

  @Flag(help: "Do not rebuild the UKIs; the next 'pve-sb-uki apply' does")
  var noApply = false

  /// Prints the errors of a line.
  func printErrors(of result: CommandLineSet.Result) {
    for error in result.errors.dropLast() { ErrorReport.write(Failure(error), program: "pve-sb-uki") }
    if let last = result.errors.last { ErrorReport.write(Failure(last, hint: result.hint), program: "pve-sb-uki") }
  }

  /// Checks and writes the line, reports the change and rebuilds the UKIs.
  func perform(_ change: CommandLineSet, with global: GlobalOptions, isDryRun: Bool) throws {
    var set = change
    set.isDryRun = isDryRun
    set.isForced = force
    let result = try set.run(on: global.host())
    guard result.errors.isEmpty else {
      for warning in result.warnings { try global.note(warning) }
      try report(result, apply: nil, with: global, isDryRun: isDryRun)
      printErrors(of: result)
      throw ExitCode(1)
    }
    try conclude(result, with: global, isDryRun: isDryRun)
  }

  /// Reports the change and rebuilds the UKIs.
  ///
  /// The written line stays even if that fails.
  func conclude(_ result: CommandLineSet.Result, with global: GlobalOptions, isDryRun: Bool) throws {
    for warning in result.warnings { try global.note(warning) }
    if !global.json { try global.print(result.text(isDryRun: isDryRun), json: .null) }
    guard !noApply, !isDryRun else { return try report(result, apply: nil, with: global, isDryRun: isDryRun) }
    var apply = try ApplyCommand.parse([])
    apply.global = global
    do {
      let images = try apply.perform()
      try report(result, apply: apply.json(images), with: global, isDryRun: isDryRun)
      if !global.json { try apply.report(images) }
      try apply.conclude(images)
    } catch {
      try global.note("the new line is saved; UKIs that could not be rebuilt boot with their old line")
      throw error
    }
  }

  /// Prints one JSON document for both the line and the UKIs.
  func report(
    _ result: CommandLineSet.Result, apply: JSONValue?, with global: GlobalOptions, isDryRun: Bool
  ) throws {
    guard global.json else { return }
    try global.print("", json: result.json(isDryRun: isDryRun, apply: apply))
  }
}

extension CommandLineSet.Result {
  func text(isDryRun: Bool) -> String {
    let lines = isChange ? difference?.sentences(added: "added", missing: "removed") ?? [] : []
    return ([title(isDryRun: isDryRun)] + lines.map { "  \($0)" }).localLines
  }

  private func title(isDryRun: Bool) -> Message {
    guard isChange else { return "\(path): unchanged" }
    guard new != nil else { return isDryRun ? "\(path): would be removed" : "\(path): removed" }
    return isDryRun ? "\(path): would be written" : "\(path): written"
  }

  /// `apply` is the result of rebuilding the UKIs; nil if they were not rebuilt.
  func json(isDryRun: Bool, apply: JSONValue?) -> JSONValue {
    .object([
      "path": .string(path), "old": JSONValue(old), "new": JSONValue(new), "changed": .boolean(isChange),
      "dry_run": .boolean(isDryRun), "difference": difference?.json ?? .null, "errors": JSONValue(errors),
      "warnings": JSONValue(warnings), "apply": apply ?? .null,
    ])
  }
}

extension WordDifference {
  /// The differences, one line each; empty if there are none.
  func sentences(added addedWord: Message, missing missingWord: Message) -> [Message] {
    var sentences: [Message] = []
    if !added.isEmpty { sentences.append("\(addedWord): \(added.joined(separator: " "))") }
    if !missing.isEmpty { sentences.append("\(missingWord): \(missing.joined(separator: " "))") }
    if isReordered { sentences.append("the words are in a different order") }
    return sentences
  }

  var json: JSONValue {
    .object(["added": JSONValue(added), "missing": JSONValue(missing), "reordered": .boolean(isReordered)])
  }
}
