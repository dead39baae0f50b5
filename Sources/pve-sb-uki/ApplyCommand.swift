// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandSupport
import HostSystem
internal import Messages
import PveSbUki

struct ApplyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply",
    abstract: "Make the EFI System Partition hold a signed image for every kernel.",
    discussion: """
      Compares what is wanted with what is there and does the least: images whose kernel, initrd, command line, stub and \
      certificate are unchanged are left alone, images of kernels that are gone are removed. A second run writes nothing.
      """)

  @OptionGroup var global: GlobalOptions

  @Option(
    name: .customLong("kernel"), help: ArgumentHelp("Only this kernel; repeatable.", valueName: "release"),
    completion: .kernels)
  var kernels: [String] = []

  @Flag(help: "Print what would be done and write nothing.")
  var dryRun = false

  @Flag(help: "Make images anew though nothing changed.")
  var force = false

  func run() throws {
    let result = try perform()
    try report(result)
    try conclude(result)
  }

  func perform() throws -> Apply.Result { try perform { _ in } }

  func perform(_ change: (inout Apply) -> Void) throws -> Apply.Result {
    var apply = Apply()
    change(&apply)
    apply.kernels = kernels
    apply.isDryRun = dryRun
    apply.isForced = force
    return try apply.run(on: global.host())
  }

  func report(_ result: Apply.Result) throws {
    for note in result.notes { try global.note(note) }
    try global.print(text(result), json: json(result))
  }

  /// Throws if not all is as it should be.
  func conclude(_ result: Apply.Result) throws {
    for failure in result.failures { ErrorReport.write(failure, program: "pve-sb-uki") }
    if let obstacle = result.obstacle, let hint = obstacle.hint {
      throw Failure("nothing was done: \(obstacle.message)", hint: hint)
    }
    if !result.failures.isEmpty { throw ExitCode(1) }
  }

  private func text(_ result: Apply.Result) -> String {
    if let obstacle = result.obstacle {
      return obstacle.hint == nil ? ("nothing to do: \(obstacle.message)" as Message).localLine : ""
    }
    var lines = result.mended
    for image in result.images where image.state != .current || global.verbose {
      lines.append("\(image.partition): \(image.name) \(word(for: image.state))")
    }
    for loader in result.loaders { lines.append(dryRun ? "\(loader) to be written" : "\(loader) written") }
    for entry in result.entries + result.moduleSigning { lines.append(dryRun ? "to do: \(entry)" : "done: \(entry)") }
    for partition in result.plan?.partitions ?? [] {
      let states = result.images.filter { $0.partition == partition.name }.map(\.state)
      let unchanged = states.count { $0 == .current }
      let count = states.count { [.current, .signed, .copied, .kept].contains($0) }
      lines.append(
        count == 1
          ? "\(partition.name): 1 image, \(unchanged) unchanged"
          : "\(partition.name): \(count) images, \(unchanged) unchanged")
    }
    return lines.localLines
  }

  private func word(for state: Apply.Image.State) -> Message {
    switch state {
    case .signed where dryRun: "to be signed"
    case .copied where dryRun: "to be copied"
    case .removed where dryRun: "to be removed"
    default: state.word
    }
  }

  func json(_ result: Apply.Result) -> JSONValue {
    let images = result.images.map { image in
      JSONValue.object([
        "kernel": .string(image.kernel), "partition": .string(image.partition), "name": .string(image.name),
        "state": .string(image.state.rawValue),
      ])
    }
    return .object([
      "dry_run": .boolean(dryRun), "obstacle": JSONValue(result.obstacle.map { "\($0)" }),
      "plan": result.plan.map(\.json) ?? .null, "images": .array(images),
      "loaders": JSONValue(result.loaders), "boot_entries": JSONValue(result.entries),
      "module_signing": JSONValue(result.moduleSigning), "mended": JSONValue(result.mended),
      "notes": JSONValue(result.notes),
      "failures": JSONValue(result.failures.map(\.description)),
    ])
  }
}
