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
  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "create",
      abstract: "Create PK, KEK and db in /etc/pve-sb-uki/keys",
      discussion: """
        Existing keys are never overwritten. Prints the new keys and the next command on the way to Secure Boot.

        With --mok, creates only the pair that signs, db.key and db.crt: for shim's list of MOKs, or for a build machine. \
        Add PK and KEK later with --complete.
        """)

    @OptionGroup var global: GlobalOptions

    @Option(
      help: ArgumentHelp("Size of the RSA keys: 2048, 3072 or 4096", valueName: "bits"),
      completion: .list(["2048", "3072", "4096"]))
    var bits = 2048

    @Option(
      help: ArgumentHelp(
        "Name of the owner, to which PK, KEK or db is added; '<host name> Secure Boot' by default",
        valueName: "text"))
    var commonName: String?

    @Option(help: ArgumentHelp("Owner GUID of the firmware's entries; random by default", valueName: "guid"))
    var ownerGuid: String?

    @Flag(help: "Succeed without changes if keys exist")
    var ifMissing = false

    @Flag(help: "Create only the signing key, without PK and KEK")
    var mok = false

    @Flag(help: "Mark the signing certificate as a CA, for kernels that accept only such MOKs for modules")
    var ca = false

    @Flag(help: "Add PK and KEK to an existing signing key")
    var complete = false

    @Flag(help: "Protect the private keys with a passphrase, which is asked twice")
    var passphrase = false

    @Option(
      help: ArgumentHelp("Protect the private keys with the first line of this file", valueName: "file"),
      completion: .file())
    var passphraseFile: String?

    func validate() throws {
      guard !passphrase || passphraseFile == nil else {
        throw ValidationError(saying: "--passphrase and --passphrase-file cannot be used together")
      }
      guard !complete || !(mok || ca) else {
        throw ValidationError(saying: "--complete cannot be used with --mok or --ca")
      }
      guard [2048, 3072, 4096].contains(bits) else {
        throw ValidationError(saying: "--bits accepts 2048, 3072 or 4096")
      }
    }

    func run() throws {
      var create = KeysCreate()
      create.bits = bits
      create.commonName = commonName
      create.owner = ownerGuid
      create.acceptsExisting = ifMissing
      create.isSigningPair = mok
      create.isAuthority = ca
      create.completes = complete
      create.isProtected = passphrase || passphraseFile != nil
      let host = try global.hostOfRoot()
      var signing = host
      signing.passphrases.mayAsk = Terminal.hasUser
      signing.passphrases.file = passphraseFile
      let result = try create.run(on: signing)
      try result.list.writeWarnings()
      guard result.wasCreated || global.json else { return }
      try global.print(
        ("Created in \(result.list.title)" as Message).localLine + result.list.text + "\n"
          + MachineState.text(on: host),
        json: .object(["created": .boolean(result.wasCreated), "keys": result.list.json]))
    }
  }
}
