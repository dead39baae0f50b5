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
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List the keys and problems with them")

    @OptionGroup var global: GlobalOptions

    func run() throws {
      let result = try KeysList().run(on: global.hostOfRoot())
      try global.print(
        result.keys.isEmpty && result.warnings.isEmpty
          ? ("No keys in \(result.directory); create them with 'pve-sb-uki keys create'." as Message).localLine
          : result.title.localLine + result.text,
        json: result.json)
      try result.writeWarnings()
    }
  }
}

extension KeysList.Result {
  func writeWarnings() throws {
    let lines = warnings.map { "pve-sb-uki: warning: \($0)" as Message }
    try StandardStream.error.write(lines.localLines.terminalText)
  }

  var title: Message { owner.map { "\(directory), owner \($0)" } ?? "\(directory)" }

  /// The text below the title.
  var text: String {
    var lines: [Message] = []
    for key in keys {
      let what = "  \(key.role): \(key.subject), \(key.algorithm)"
      lines.append(
        key.privateKeyPath == nil
          ? "\(what), private key not on this host"
          : key.isProtected
            ? "\(what), private key on this host, with a passphrase" : "\(what), private key on this host")
      lines.append("    valid from \(key.notBefore ?? "?") to \(key.notAfter ?? "?")")
      lines.append("    SHA-256 \(key.fingerprint)")
    }
    return lines.localLines
  }

  var json: JSONValue {
    .object([
      "directory": .string(directory), "owner": JSONValue(owner), "warnings": JSONValue(warnings),
      "keys": .array(
        keys.map { key in
          .object([
            "role": .string(key.role), "certificate": .string(key.certificatePath), "subject": .string(key.subject),
            "fingerprint_sha256": .string(key.fingerprint), "key": .string(key.algorithm),
            "not_before": JSONValue(key.notBefore), "not_after": JSONValue(key.notAfter),
            "private_key": JSONValue(key.privateKeyPath),
          ])
        }),
    ])
  }
}
