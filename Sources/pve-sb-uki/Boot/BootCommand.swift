// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import CommandSupport
import HostCommands
internal import Messages
internal import Reconcile
import SecureBoot

struct BootCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "boot",
    abstract: "List, check, prefer, try and remove the firmware's boot entries",
    subcommands: [List.self, Check.self, Prefer.self, BootTrialCommand.self, Forget.self, Retire.self])

  // Options may come before the subcommand too.
  @OptionGroup var global: GlobalOptions

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Show the boot entries in the order in which the firmware tries them")

    @OptionGroup var global: GlobalOptions

    func run() throws {
      let result = try BootList().run(on: global.hostOfRoot())
      for problem in result.problems { try global.note(problem) }
      try global.print(result.text(isLong: global.verbose), json: result.json)
    }
  }

  struct Forget: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "forget",
      abstract: "Remove boot entries, including those of other systems",
      discussion: """
        The entry that this machine was booted from is kept, and so is the last usable entry in the boot order. The \
        next 'pve-sb-uki apply' recreates an entry of pve-sb-uki as long as its UKI is wanted. --foreign removes the \
        entries of other boot loaders and kernels, once this machine was booted from a UKI. It keeps those of the \
        firmware, of Windows and fwupd, of disks that are not there, and of unknown programs; name these to remove them.
        """)

    @OptionGroup var global: GlobalOptions

    @Argument(
      help: ArgumentHelp("Boot entry: its number such as Boot0003 or 3, its label, or its path", valueName: "entry"))
    var entries: [String] = []

    @Flag(help: "Remove the entries of other boot loaders and kernels")
    var foreign = false

    @Flag(help: "Show what would be removed and write nothing")
    var dryRun = false

    func validate() throws {
      guard entries.isEmpty == foreign else { throw ValidationError(saying: "specify boot entries or --foreign") }
    }

    func run() throws {
      var forget = BootForget(foreign ? .foreign : .named(entries))
      forget.isDryRun = dryRun
      let result = try forget.run(on: global.hostOfRoot())
      for note in result.notes where !dryRun { try global.note(note) }
      try global.print(result.text(isDryRun: dryRun), json: result.json(isDryRun: dryRun))
      for failure in result.failures { ErrorReport.write(failure, program: "pve-sb-uki") }
      if !result.failures.isEmpty { throw ExitCode(1) }
    }
  }

  struct Retire: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "retire",
      abstract: "Report what this machine boots without pve-sb-uki, and prepare for its removal",
      discussion: """
        The package runs this before it is removed. UKIs, boot loaders and boot entries are kept. With Secure Boot on, \
        systemd-boot's default is kept too, since the firmware rejects Proxmox's own entries. With Secure Boot off, \
        it is removed.
        """)

    @OptionGroup var global: GlobalOptions

    @Flag(help: "Show what would be done and write nothing")
    var dryRun = false

    func run() throws {
      var retire = BootRetire()
      retire.isDryRun = dryRun
      let result = try retire.run(on: global.hostOfRoot())
      let steps = result.steps.map { dryRun ? "to do: \($0)" as Message : "done: \($0)" }
      try global.print(
        (steps + result.notes).localLines,
        json: .object([
          "dry_run": .boolean(dryRun), "secure_boot": .boolean(result.isEnforced),
          "kernels": JSONValue(result.kernels), "steps": JSONValue(result.steps), "notes": JSONValue(result.notes),
        ]))
    }
  }

  struct Prefer: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "prefer",
      abstract: "Choose what is booted first",
      discussion: """
        A kernel stays preferred until another one is chosen; a kernel pinned with proxmox-boot-tool takes precedence. \
        A kernel or --none also overrides a default that was set in systemd-boot's menu or with bootctl. A boot entry \
        is moved to the front of the current boot order.
        """)

    @OptionGroup var global: GlobalOptions

    @Argument(
      help: ArgumentHelp("Kernel release, or a boot entry such as Boot0003, 0003 or 3", valueName: "kernel|number"),
      completion: .kernels)
    var wanted: String?

    @Flag(help: "Clear the preferred kernel")
    var none = false

    @Flag(help: "Choose the UKI that was booted last among those that do not boot first now")
    var previous = false

    private static func text(_ number: BootEntryNumber, isChange: Bool) -> String {
      let line: Message =
        isChange ? "\(number.name): first in the boot order" : "\(number.name): already first in the boot order"
      return line.localLine
    }

    func validate() throws {
      guard [wanted != nil, none, previous].filter({ $0 }).count == 1 else {
        throw ValidationError(saying: "specify one kernel, one boot entry, --previous or --none")
      }
    }

    func run() throws {
      let host = try global.hostOfRoot()
      if let number = wanted.flatMap({ BootEntryNumber($0) }) {
        let result = try BootPrefer().prefer(number, on: host)
        for note in result.notes { try global.note(note) }
        return try global.print(
          Self.text(number, isChange: result.isChange),
          json: .object(["entry": .string(number.name), "changed": .boolean(result.isChange)]))
      }
      if previous {
        let name = try BootPrefer().preferPrevious(on: host)
        if !global.json { try global.print(("\(name) is preferred" as Message).localLine, json: .null) }
      } else {
        try BootPrefer().prefer(kernel: wanted, on: host)
      }
      var apply = try ApplyCommand.parse([])
      apply.global = global
      // This explicit choice overrides one in systemd-boot's menu.
      let result = try apply.perform { $0.takesOverDefault = true }
      try apply.report(result)
      if !global.json { try global.print(result.firstLine, json: .null) }
      try apply.conclude(result)
    }
  }
}

extension ApplyReport {
  /// What boots first now; empty if nothing does.
  fileprivate var firstLine: String {
    guard let kernel = plan?.firstKernel else { return "" }
    let isFirst = plan?.chain?.trust.isAccepted == true
    let line: Message =
      isFirst ? "kernel \(kernel) boots first" : "kernel \(kernel) boots first among pve-sb-uki's boot entries"
    return line.localLine
  }
}

extension BootForget.Result {
  func text(isDryRun: Bool) -> String {
    let removed = forgotten.map { isDryRun ? "\($0.name): would be removed" as Message : "\($0.name): removed" }
    let rest = kept.map { "\($0.name): kept: \($0.reason ?? "")" as Message }
    let none: [Message] = forgotten.isEmpty && failures.isEmpty ? ["no boot entry to remove"] : []
    return (removed + rest + none).localLines
  }

  func json(isDryRun: Bool) -> JSONValue {
    .object([
      "forgotten": JSONValue(forgotten.map(\.number.name)),
      "kept": .array(
        kept.map {
          .object([
            "entry": .string($0.number.name), "label": JSONValue($0.label), "reason": JSONValue($0.reason),
          ])
        }), "dry_run": .boolean(isDryRun), "failures": JSONValue(failures.map(\.description)),
    ])
  }
}

extension BootList.Result {
  /// `isLong` adds the device paths of entries that do not start a file.
  func text(isLong: Bool) -> String {
    guard !entries.isEmpty else { return ("The firmware has no boot entries." as Message).localLine }
    return entries.flatMap { entry -> [Message] in
      let place = entry.place.map { "\($0)" } ?? "-"
      let head = String(repeating: " ", count: max(0, 3 - place.count)) + "\(place)  \(entry.number.name)"
      let line: Message =
        entry.marks.isEmpty
        ? "\(head)  \(entry.title)" : "\(head)  \(entry.title) (\(entry.marks.joined(separator: ", ")))"
      return [line] + (entry.destination(isLong: isLong).map { ["               \($0)"] } ?? [])
    }.localLines
  }

  var json: JSONValue {
    .object(["entries": .array(entries.map(\.json)), "problems": JSONValue(problems)])
  }
}

extension BootList.Entry {
  /// The label, or why it has none.
  var title: Message {
    if isMissing { return "no such entry" }
    return label.map { Message(verbatim: $0) } ?? "invalid entry"
  }

  fileprivate var marks: [Message] {
    var marks: [Message] = []
    if owner == .ours { marks.append("made by pve-sb-uki") }
    if owner == .leftover { marks.append("left over from pve-sb-uki") }
    if isCurrent { marks.append("booted from") }
    if isNext { marks.append("next") }
    if !isActive, !isMissing { marks.append("inactive") }
    return marks
  }

  /// The file, and enough of the partition's GUID to distinguish partitions.
  fileprivate func destination(isLong: Bool) -> Message? {
    if let path, let partition { return "\(path) on \(isLong ? partition[...] : partition.prefix(8))" }
    return isLong ? devicePath.map { Message(verbatim: $0) } : nil
  }

  fileprivate var json: JSONValue {
    .object([
      "entry": .string(number.name), "place": JSONValue(place), "exists": .boolean(!isMissing),
      "active": .boolean(isActive), "current": .boolean(isCurrent), "next": .boolean(isNext),
      "label": JSONValue(label), "path": JSONValue(path), "partition": JSONValue(partition),
      "device_path": JSONValue(devicePath), "owner": .string(owner.rawValue),
    ])
  }
}
