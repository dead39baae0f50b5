// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import TestSupport
import Testing

/// What a person reads who mistypes a command, or forgets to be root.
@Suite struct WrongUsageTests {
  private func run(_ arguments: String...) throws -> ExternalTool.Result {
    try BuiltCommand("pve-sb-uki").tool.result(arguments)
  }

  @Test(arguments: [
    (["foo"], "pve-sb-uki foo", "apply, status"),
    (["--root", "/tmp", "keys", "enroll"], "pve-sb-uki keys enroll", "create, list, export"),
    (["keys", "--json", "foo", "--bar"], "pve-sb-uki keys foo", "create, list, export"),
    (["boot", "prefere", "x"], "pve-sb-uki boot prefere", "list, prefer, forget, retire"),
  ])
  func anUnknownCommandIsNamedWithTheKnownOnes(_ arguments: [String], _ name: String, _ known: String) throws {
    let result = try BuiltCommand("pve-sb-uki").tool.result(arguments)
    #expect(result.status == 2)
    let lines = result.errors.split(separator: "\n")
    #expect(lines.first == "pve-sb-uki: error: no such command: \(name)")
    #expect(lines.count == 2 && lines[1].hasPrefix("hint: the commands of '") && lines[1].contains(known))
  }

  @Test func otherMistakesAreStillExplained() throws {
    let result = try run("keys", "create", "--bits", "5")
    #expect(result.status == 2 && result.errors.contains("--bits accepts 2048, 3072 or 4096"))
    #expect(try run("keys", "create", "superfluous").errors.contains("no such command") == false)
  }

  @Test func exportNeedsADirectory() throws {
    let root = try TemporaryDirectory()
    try root.write("boot/efi/EFI/file", "")
    let result = try run("--root", root.path, "keys", "export")
    #expect(result.status == 2)
    #expect(result.errors.contains("for example: pve-sb-uki keys export \(root.path)/boot/efi/EFI/pve-sb-uki\n"))
  }
}
