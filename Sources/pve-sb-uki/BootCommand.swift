// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BinaryFormat
import CommandLineInterface
import CommandSupport
import PveSbUki

struct BootCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "boot",
    abstract: "Show the firmware's boot entries, choose among them and remove some.",
    subcommands: [List.self, Prefer.self, Forget.self])

  // Options may stand in front of the subcommand too.
  @OptionGroup var global: GlobalOptions

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Show the boot entries in the order in which the firmware tries them.")

    @OptionGroup var global: GlobalOptions

    func run() throws {
      let result = try BootList().run(on: global.host())
      for problem in result.problems { try global.note(problem) }
      try global.print(result.text(isLong: global.verbose), json: result.json)
    }
  }

  struct Forget: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "forget",
      abstract: "Remove boot entries, whoever made them.",
      discussion: """
        What the machine was booted from and what the boot order needs to reach anything is not removed. An entry of \
        this program comes back with the next apply while its image is wanted.
        """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("An entry such as Boot0003, 0003 or 3.", valueName: "number"))
    var numbers: [String]

    func run() throws {
      let numbers = try self.numbers.map { text in
        guard let number = BootEntryNumber(text) else {
          throw ValidationError(saying: "'\(text)' is no number of a boot entry, such as Boot0003, 0003 or 3")
        }
        return number
      }
      let result = try BootForget(numbers: numbers).run(on: global.host())
      for note in result.notes { try global.note(note) }
      try global.print(
        result.forgotten.map { "\($0.name): forgotten" as Message }.localLines,
        json: .object([
          "forgotten": JSONValue(result.forgotten.map(\.name)),
          "failures": JSONValue(result.failures.map(\.description)),
        ]))
      for failure in result.failures { ErrorReport.write(failure, program: "pve-sb-uki") }
      if !result.failures.isEmpty { throw ExitCode(1) }
    }
  }

  struct Prefer: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "prefer",
      abstract: "Choose what is booted first.",
      discussion: """
        A kernel stays preferred until another choice; Proxmox's own pin outweighs it. An entry, given by its number, \
        goes to the front of the boot order as it is now.
        """)

    @OptionGroup var global: GlobalOptions

    @Argument(
      help: ArgumentHelp("A kernel's release, or an entry such as Boot0003, 0003 or 3.", valueName: "kernel|number"),
      completion: .kernels)
    var wanted: String?

    @Flag(help: "Prefer no kernel any more.")
    var none = false

    private static func text(_ number: BootEntryNumber, isChange: Bool) -> String {
      let line: Message =
        isChange ? "\(number.name): first in the boot order" : "\(number.name): first in the boot order already"
      return line.localLine
    }

    func validate() throws {
      guard (wanted == nil) == none else { throw ValidationError(saying: "give one kernel, one number or --none") }
    }

    func run() throws {
      let host = try global.host()
      if let number = wanted.flatMap({ BootEntryNumber($0) }) {
        let result = try BootPrefer().prefer(number, on: host)
        for note in result.notes { try global.note(note) }
        return try global.print(
          Self.text(number, isChange: result.isChange),
          json: .object(["entry": .string(number.name), "changed": .boolean(result.isChange)]))
      }
      try BootPrefer().prefer(kernel: wanted, on: host)
      var apply = try ApplyCommand.parse([])
      apply.global = global
      try apply.run()
    }
  }
}
