// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BinaryFormat
import CommandLineInterface
import CommandSupport
import HostCommands
internal import Messages

extension KeysCommand {
  struct Move: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "move",
      abstract: "Move the private keys to another directory, such as on an encrypted USB stick",
      discussion: """
        Copies the keys, reads them back, proves a signature with the copy, sets KeyDirectory, and only then deletes the \
        old private keys. Certificates stay in /etc/pve-sb-uki/keys. An interrupted move continues where it was.

        While the medium is away, kernels wait for the key; when it is mounted, systemd runs 'pve-sb-uki apply'.

        Example: pve-sb-uki keys move /media/keys
        Back: pve-sb-uki keys move /etc/pve-sb-uki/keys
        """)

    @OptionGroup var global: GlobalOptions

    @Argument(
      help: ArgumentHelp("New directory of the private keys, an absolute path", valueName: "directory"),
      completion: .directory)
    var directory: String

    @OptionGroup var passphrase: PassphraseOptions

    func run() throws {
      let host = try passphrase.signing(global.hostOfRoot())
      let result = try KeysMove(to: directory).run(on: host)
      for warning in result.warnings { try global.note(warning) }
      for note in result.notes { try global.note(note) }
      let names = result.names.joined(separator: ", ")
      let line: Message =
        result.names.isEmpty
        ? "Unchanged: the private keys are in \(result.target)"
        : "Moved from \(result.source) to \(result.target): \(names)"
      try global.print(
        line.localLine + "\n" + MachineState.text(on: host),
        json: [
          "source": .string(result.source), "target": .string(result.target),
          "files": .array(result.names.map { .string($0) }), "warnings": JSONValue(result.warnings),
          "notes": JSONValue(result.notes),
        ])
    }
  }
}
