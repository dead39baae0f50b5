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
    abstract: "Write the kernel command line and make the images anew.",
    discussion: """
      The line may be given as one argument or as several. It is written if this machine can boot with it: root= has to \
      be there and to lead to a file system here, and words of live systems, installers and maintenance are refused.

      Example: pve-sb-uki cmdline set root=ZFS=rpool/ROOT/pve-1 boot=zfs quiet
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var change: CommandLineChangeOptions

  @Argument(help: ArgumentHelp("The words of the line.", valueName: "word"))
  var words: [String] = []

  @Flag(help: "Remove the kernel's own line; needs --kernel.")
  var none = false

  @Flag(help: "Only say what is wrong with the line and what would change.")
  var dryRun = false

  func validate() throws {
    guard words.isEmpty == none else { throw ValidationError(saying: "give the words of the line, or --none") }
    guard !none || change.kernel != nil else { throw ValidationError(saying: "--none needs --kernel") }
  }

  func run() throws {
    var set = CommandLineSet(line: none ? nil : words.joined(separator: " "), kernel: change.kernel)
    set.isDryRun = dryRun
    set.isForced = change.force
    let result = try set.run(on: global.host())
    guard result.errors.isEmpty else {
      for warning in result.warnings { try global.note(warning) }
      try change.report(result, apply: nil, with: global, isDryRun: dryRun)
      change.printErrors(of: result)
      throw ExitCode(1)
    }
    try change.conclude(result, with: global, isDryRun: dryRun)
  }
}

struct CommandLineEditCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edit",
    abstract: "Edit the kernel command line and make the images anew.",
    discussion: """
      Opens the file in the editor that VISUAL or EDITOR name, else in Debian's. What comes out is judged as by 'cmdline \
      set'; nothing is written before it is right.
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
    guard result.errors.isEmpty else { throw Failure("\(result.path): nothing was changed") }
    try change.conclude(result, with: global, isDryRun: false)
  }
}

/// Options of the commands that change the command line.
struct CommandLineChangeOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("The line of this kernel alone, instead of all.", valueName: "release"), completion: .kernels)
  var kernel: String?

  @Flag(help: "Write it though this machine may not boot with it.")
  var force = false

  @Flag(help: "Make no images; the next apply does.")
  var noApply = false

  /// Prints the errors of a line.
  func printErrors(of result: CommandLineSet.Result) {
    for error in result.errors.dropLast() { ErrorReport.write(Failure(error), program: "pve-sb-uki") }
    if let last = result.errors.last { ErrorReport.write(Failure(last, hint: result.hint), program: "pve-sb-uki") }
  }

  /// Reports the change and makes the images.
  ///
  /// If that fails, the written line stays.
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
      try global.note("the line is written; images that could not be made anew boot with the line they have")
      throw error
    }
  }

  /// Prints one JSON document for both the line and the images.
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

  /// `apply` is the result of making the images; nil if that was not done.
  func json(isDryRun: Bool, apply: JSONValue?) -> JSONValue {
    .object([
      "path": .string(path), "old": JSONValue(old), "new": JSONValue(new), "changed": .boolean(isChange),
      "dry_run": .boolean(isDryRun), "difference": difference?.json ?? .null, "errors": JSONValue(errors),
      "warnings": JSONValue(warnings), "apply": apply ?? .null,
    ])
  }
}

extension WordDifference {
  /// The difference in words, one line each; empty if there is none.
  func sentences(added addedWord: Message, missing missingWord: Message) -> [Message] {
    var sentences: [Message] = []
    if !added.isEmpty { sentences.append("\(addedWord): \(added.joined(separator: " "))") }
    if !missing.isEmpty { sentences.append("\(missingWord): \(missing.joined(separator: " "))") }
    if isReordered { sentences.append("the words stand in another order") }
    return sentences
  }

  var json: JSONValue {
    .object(["added": JSONValue(added), "missing": JSONValue(missing), "reordered": .boolean(isReordered)])
  }
}
