// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import TestSupport
import Testing

/// What a person reads who mistypes a command, or forgets to be root.
@Suite struct WrongUsageTests {
  private func run(_ arguments: String...) throws -> ExternalTool.Result {
    try BuiltCommand("pve-sb-uki").tool.result(arguments)
  }

  @Test(arguments: [
    (["foo"], "pve-sb-uki foo", "apply, status"),
    (["--root", "/tmp", "keys", "creat"], "pve-sb-uki keys creat", "create, import, list"),
    (["keys", "--json", "foo", "--bar"], "pve-sb-uki keys foo", "create, import, list"),
    (["boot", "prefere", "x"], "pve-sb-uki boot prefere", "list, check, prefer, trial, forget, retire"),
  ])
  func anUnknownCommandIsNamedWithTheKnownOnes(_ arguments: [String], _ name: String, _ known: String) throws {
    let result = try BuiltCommand("pve-sb-uki").tool.result(arguments)
    #expect(result.status == 2)
    let lines = result.errors.split(separator: "\n")
    #expect(lines.first == "pve-sb-uki: error: no such command: \(name)")
    #expect(lines.count == 2 && lines[1].hasPrefix("hint: the commands of '") && lines[1].contains(known))
  }

  /// A command of another level is named.
  @Test(arguments: ["enroll", "enrol"]) func aCommandOfTheFirstLevelIsNamed(_ word: String) throws {
    let result = try run("keys", word, "--mok")
    #expect(result.status == 2)
    #expect(
      result.errors.split(separator: "\n") == [
        "pve-sb-uki: error: no such command: pve-sb-uki keys \(word)", "hint: run: pve-sb-uki \(word)",
      ])
    // Both spellings are commands.
    #expect(try run(word, "--mok", "--timeout", "0").errors.contains("--timeout accepts 1 to 32767 seconds"))
    #expect(try run(word, "--foo").errors.contains("no such command") == false)
  }

  @Test func otherMistakesAreStillExplained() throws {
    let result = try run("keys", "create", "--bits", "5")
    #expect(result.status == 2 && result.errors.contains("--bits accepts 2048, 3072 or 4096"))
    #expect(try run("keys", "create", "superfluous").errors.contains("no such command") == false)
  }

  /// Another user gets the command to type, and no error for a file that root keeps to itself.
  @Test(arguments: [["apply"], ["keys", "list"], ["boot", "list"], ["boot", "prefer", "a b"]])
  func aPlainUserIsToldToBeRoot(_ arguments: [String]) throws {
    let program = try BuiltCommand("pve-sb-uki").tool
    let result =
      geteuid() == 0
      ? try ExternalTool("setpriv").result(
        ["--reuid=65534", "--regid=65534", "--clear-groups", program.name] + arguments) : try program.result(arguments)
    let words = arguments.map { $0.contains(" ") ? "'\($0)'" : $0 }.joined(separator: " ")
    #expect(result.status == 1)
    #expect(result.errors == "pve-sb-uki: error: run it as root: sudo pve-sb-uki \(words)\n")
  }

  @Test func exportNeedsADirectory() throws {
    let root = try TemporaryDirectory()
    try root.write("boot/efi/EFI/file", "")
    let result = try run("--root", root.path, "keys", "export")
    #expect(result.status == 2)
    #expect(result.errors.contains("for example: pve-sb-uki keys export \(root.path)/boot/efi/EFI/pve-sb-uki\n"))
  }
}
