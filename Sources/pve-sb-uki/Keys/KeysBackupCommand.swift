// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BinaryFormat
import CommandLineInterface
import CommandSupport
import HostCommands
import HostSystem
internal import Messages

extension KeysCommand {
  struct Backup: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "backup",
      abstract: "Write all keys to one encrypted file",
      discussion: """
        Asks for a new passphrase twice, then writes the file, reads it back, decrypts it and compares it with the keys. \
        The openssl and tar commands also open the file; the command prints how.

        Example: pve-sb-uki keys backup /media/stick/keys.backup
        """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("File to write, not on an ESP", valueName: "file"), completion: .file())
    var file: String

    @Flag(help: "Replace an existing file")
    var force = false

    @OptionGroup var passphrase: PassphraseOptions

    func run() throws {
      var backup = KeysBackup(path: file)
      backup.overwrites = force
      let result = try backup.run(on: passphrase.signing(global.hostOfRoot()))
      for note in result.notes { try global.note(note) }
      let lines: [Message] = [
        "Written to \(result.path) and proved by reading it back: \(result.names.joined(separator: ", "))",
        "Keep the file on another machine or medium, and the passphrase elsewhere.", "",
        "Restore it on a host without keys: pve-sb-uki keys restore \(result.path.shellWord)",
        "Open it without pve-sb-uki, in an empty directory:", "  \(result.command)",
      ]
      try global.print(
        lines.localLines,
        json: [
          "path": .string(result.path), "files": .array(result.names.map { .string($0) }),
          "notes": JSONValue(result.notes), "command": .string(result.command.description),
        ])
    }
  }

  struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "restore",
      abstract: "Bring the keys in a backup back to a host without keys",
      discussion: """
        Checks the backup before it writes anything: the digests, and whether each private key belongs to its certificate. \
        Existing keys are never overwritten.

        Example: pve-sb-uki keys restore /media/stick/keys.backup
        """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("File written by 'keys backup'", valueName: "file"), completion: .file())
    var file: String

    @OptionGroup var passphrase: PassphraseOptions

    func run() throws {
      let host = try passphrase.signing(global.hostOfRoot())
      let result = try KeysRestore(path: file).run(on: host)
      try result.list.writeWarnings()
      for note in result.notes { try global.note(note) }
      try global.print(
        ("Restored to \(result.list.title)" as Message).localLine + result.list.text + "\n"
          + MachineState.text(on: host),
        json: .object(["keys": result.list.json, "notes": JSONValue(result.notes)]))
    }
  }
}
