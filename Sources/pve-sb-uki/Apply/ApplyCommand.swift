// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import CommandSupport
import HostCommands
import HostSystem
internal import Messages
internal import Reconcile

struct ApplyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply",
    abstract: "Write signed UKIs for all wanted kernels to the EFI System Partitions",
    discussion: """
      Updates only what has changed. A UKI is rebuilt if its kernel, initrd, command line, stub or certificate has \
      changed, and removed if its kernel is gone. A second run writes nothing.
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var passphrase: PassphraseOptions

  @Option(
    name: .customLong("kernel"), help: ArgumentHelp("Update this kernel only; may be repeated", valueName: "release"),
    completion: .kernels)
  var kernels: [String] = []

  @Flag(help: "Show what would be done and write nothing")
  var dryRun = false

  @Flag(help: "Rebuild UKIs even if nothing has changed")
  var force = false

  @Flag(help: "Print one word that says why 'apply' does nothing on this host; print nothing if it is active")
  var skipReason = false

  @Flag(help: "Also print how far this machine is, and the next command")
  var next = false

  func run() throws {
    if skipReason { return try printSkipReason() }
    let result = try perform()
    try report(result)
    defer { if next { printState() } }
    if !dryRun, result.skipReason == nil { StartupReport.remember(on: try global.host()) }
    try conclude(result)
  }

  /// Prints the state of this machine; nothing if there is nothing to do on it, which is on the screen already.
  private func printState() {
    guard !global.json, let state = try? MachineState(of: global.hostOfRoot()), state.stage != .inactive else { return }
    try? global.print("\n" + state.pageText, json: .null)
  }

  func perform() throws -> ApplyReport { try perform { _ in } }

  func perform(_ change: (inout ApplyOptions) -> Void) throws -> ApplyReport {
    var options = ApplyOptions()
    change(&options)
    options.kernels = kernels
    options.isDryRun = dryRun
    options.isForced = force
    return try Apply.run(options, on: passphrase.signing(global.hostOfRoot()))
  }

  /// Prints the raw value of the `SkipReason`, which JSON documents contain as `obstacle`.
  private func printSkipReason() throws {
    var word: String?
    if case .skip(let reason) = try Readiness(of: global.hostOfRoot()) { word = reason.rawValue }
    try global.print(word.map { "\($0)\n" } ?? "", json: .object(["obstacle": JSONValue(word)]))
  }

  func report(_ result: ApplyReport) throws {
    for note in result.notes { try global.note(note) }
    try global.print(text(result), json: json(result))
  }

  /// Prints the failures; throws if there are any.
  func conclude(_ result: ApplyReport) throws {
    for failure in result.failures { ErrorReport.write(failure, program: "pve-sb-uki") }
    if let reason = result.skipReason, let hint = reason.hint {
      throw Failure(reason.message, hint: hint)
    }
    if !result.failures.isEmpty { throw ExitCode(1) }
  }

  private func text(_ result: ApplyReport) -> String {
    if let reason = result.skipReason {
      guard reason.hint == nil else { return "" }
      let line: Message = "pve-sb-uki: nothing to do: \(reason.message)"
      return ([line] + (reason.advice.map { ["hint: \($0)"] } ?? [])).localLines
    }
    var lines = result.mended
    for image in result.images where image.state != .current || global.verbose {
      let word = word(for: image.state)
      lines.append(
        global.verbose && image.isProven == true
          ? "\(image.esp): \(image.name) \(word), read back from the medium" : "\(image.esp): \(image.name) \(word)")
    }
    for loader in result.loaders { lines.append(dryRun ? "\(loader) to be written" : "\(loader) written") }
    for loader in result.removedLoaders { lines.append(dryRun ? "\(loader) to be removed" : "\(loader) removed") }
    for entry in result.entries + result.unstaged + result.moduleSigning {
      lines.append(dryRun ? "to do: \(entry)" : "done: \(entry)")
    }
    return (lines + result.totals.map(\.text)).localLines
  }

  private func word(for state: ImageOutcome.State) -> Message {
    switch state {
    case .signed where dryRun: "to be signed"
    case .copied where dryRun: "to be copied"
    case .removed where dryRun: "to be removed"
    default: state.word
    }
  }

  func json(_ result: ApplyReport) -> JSONValue {
    let images = result.images.map { image in
      JSONValue.object([
        "kernel": .string(image.kernel), "partition": .string(image.esp), "name": .string(image.name),
        "state": .string(image.state.rawValue),
      ])
    }
    return .object([
      "dry_run": .boolean(dryRun), "obstacle": JSONValue(result.skipReason?.rawValue),
      "plan": result.plan.map(\.json) ?? .null, "images": .array(images),
      "loaders": JSONValue(result.loaders), "boot_entries": JSONValue(result.entries),
      "unstaged": JSONValue(result.unstaged),
      "module_signing": JSONValue(result.moduleSigning), "mended": JSONValue(result.mended),
      "notes": JSONValue(result.notes),
      "failures": JSONValue(result.failures.map(\.description)),
    ])
  }
}

extension ApplyReport.Total {
  fileprivate var text: Message {
    switch (count == 1, kept == 0) {
    case (true, true): "\(esp): 1 UKI, \(unchanged) unchanged"
    case (false, true): "\(esp): \(count) UKIs, \(unchanged) unchanged"
    case (true, false): "\(esp): 1 UKI, \(unchanged) unchanged, \(kept) kept"
    case (false, false): "\(esp): \(count) UKIs, \(unchanged) unchanged, \(kept) kept"
    }
  }
}

extension ApplyPlan {
  /// The plan as JSON: the kernels in order of precedence, and the steps on each ESP, in order.
  var json: JSONValue {
    .object([
      "kernels": .array(kernels.map(\.json)), "partitions": .array(esps.map(\.json)),
      "chain": JSONValue(chainName), "boot_entries": JSONValue(entrySteps),
    ])
  }
}

extension PlannedKernel {
  fileprivate var json: JSONValue {
    .object(["kernel": .string(release), "reasons": JSONValue(reasonNames), "image": .string(imageState)])
  }
}

extension ESPPlan {
  fileprivate var json: JSONValue {
    .object([
      "name": .string(name), "free_bytes": .integer(free), "steps": .array(steps.map(\.json)),
      "shortages": .array(
        shortages.map { shortage in
          .object([
            "kernel": .string(shortage.kernel), "needed_bytes": .integer(shortage.needed),
            "available_bytes": .integer(shortage.available),
          ])
        }),
    ])
  }
}

extension ESPPlan.Step {
  fileprivate var json: JSONValue {
    .object([
      "action": .string(action), "path": .string(path), "reason": JSONValue(reason),
      "keeps_previous": JSONValue(keepsPrevious),
    ])
  }
}
