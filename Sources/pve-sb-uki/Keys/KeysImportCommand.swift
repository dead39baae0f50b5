// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BinaryFormat
import CommandLineInterface
import CommandSupport
import HostCommands
import HostSystem
internal import Messages
import SigningKeys

extension KeysCommand {
  struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "import",
      abstract: "Take over keys that another tool has made",
      discussion: """
        Recognizes the directories of sbctl, sicherboot and pve-sb-uki, directories with keys/ and certs/, and those with \
        PK.key, PK.crt and so on. Otherwise specify the files: PEM, DER or PKCS#12. Without PK and KEK, imports only the \
        signing key.

        Checks all keys before it writes the first. Protected keys stay protected. The originals are unchanged.

        Example: pve-sb-uki keys import /var/lib/sbctl
        """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("Directory with the keys", valueName: "directory"), completion: .directory)
    var directory: String?

    @Option(name: .customLong("pk"), help: ArgumentHelp("Private key of PK", valueName: "file"), completion: .file())
    var platformKey: String?

    @Option(
      name: .customLong("pk-cert"),
      help: ArgumentHelp("Certificate of PK, unless it is in the file of the key", valueName: "file"),
      completion: .file())
    var platformCertificate: String?

    @Option(name: .customLong("kek"), help: ArgumentHelp("Private key of KEK", valueName: "file"), completion: .file())
    var exchangeKey: String?

    @Option(
      name: .customLong("kek-cert"), help: ArgumentHelp("Certificate of KEK", valueName: "file"), completion: .file())
    var exchangeCertificate: String?

    @Option(
      name: .customLong("db"), help: ArgumentHelp("Private key that signs UKIs", valueName: "file"),
      completion: .file())
    var signingKey: String?

    @Option(
      name: .customLong("db-cert"), help: ArgumentHelp("Certificate of that key", valueName: "file"),
      completion: .file())
    var signingCertificate: String?

    @Option(
      help: ArgumentHelp(
        "Owner GUID of the firmware's entries; by default that in the directory, else random", valueName: "guid"))
    var ownerGuid: String?

    @OptionGroup var passphrase: PassphraseOptions

    private var sources: [KeyRole: KeyLayout.Source] {
      let specified: [(KeyRole, String?, String?)] = [
        (.platformKey, platformKey, platformCertificate), (.keyExchangeKey, exchangeKey, exchangeCertificate),
        (.signatureDatabase, signingKey, signingCertificate),
      ]
      return specified.reduce(into: [:]) { sources, item in
        guard item.1 != nil || item.2 != nil else { return }
        sources[item.0] = KeyLayout.Source(key: item.1, certificate: item.2)
      }
    }

    func validate() throws {
      guard directory != nil || !sources.isEmpty else {
        throw ValidationError(saying: "specify a directory, for example: pve-sb-uki keys import /var/lib/sbctl")
      }
    }

    func run() throws {
      var keys = KeysImport()
      keys.directory = directory
      keys.sources = sources
      keys.owner = ownerGuid
      let host = try passphrase.signing(global.hostOfRoot())
      let result = try keys.run(on: host)
      try result.list.writeWarnings()
      for note in result.notes { try global.note(note) }
      try global.print(
        ("Imported to \(result.list.title)" as Message).localLine + result.list.text + "\n"
          + MachineState.text(on: host),
        json: .object([
          "keys": result.list.json, "originals": .array(result.originals.map { .string($0) }),
          "notes": JSONValue(result.notes),
        ]))
    }
  }
}
