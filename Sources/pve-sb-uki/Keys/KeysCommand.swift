// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BinaryFormat
import CommandLineInterface
import CommandSupport
import HostCommands
import HostSystem
internal import Messages

struct KeysCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys",
    abstract: "Create, list and export this host's Secure Boot keys",
    subcommands: [Create.self, List.self, Export.self])

  // Options may come before the subcommand too.
  @OptionGroup var global: GlobalOptions

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "create",
      abstract: "Create PK, KEK and db in /etc/pve-sb-uki/keys",
      discussion: """
        Existing keys are never overwritten, and an incomplete set is never completed. Prints the new keys and the next \
        command on the way to Secure Boot.
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

    func validate() throws {
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
      let host = try global.hostOfRoot()
      let result = try create.run(on: host)
      try result.list.writeWarnings()
      guard result.wasCreated || global.json else { return }
      try global.print(
        ("Created in \(result.list.title)" as Message).localLine + result.list.text + "\n"
          + MachineState.text(on: host),
        json: .object(["created": .boolean(result.wasCreated), "keys": result.list.json]))
    }
  }

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

  struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "export",
      abstract: "Write the public parts in the formats of firmware and other tools",
      discussion: """
        Writes .crt (PEM), .cer and .der (DER), .esl and .auth for PK, KEK and db, where db is the certificate that signs \
        UKIs. Private keys are not exported. Updates of a later export are newer than those of an earlier one, as \
        firmware requires.
        """)

    @OptionGroup var global: GlobalOptions

    @Argument(
      help: ArgumentHelp("Output directory, created if missing", valueName: "directory"), completion: .directory)
    var directory: String?

    @Option(
      name: [.customShort("o"), .long], help: ArgumentHelp("Output directory, as an option", valueName: "directory"),
      completion: .directory)
    var output: String?

    @Flag(help: "Overwrite files with other content, using newer updates")
    var force = false

    @Flag(help: "Write only noPK.auth, which removes PK and so turns Secure Boot off")
    var removal = false

    func validate() throws {
      guard directory == nil || output == nil else { throw ValidationError(saying: "specify only one directory") }
      guard directory != nil || output != nil else {
        let example = (try? global.host()).map { MachineState.exportDirectory(on: $0) } ?? "/root/pve-sb-uki-public"
        throw ValidationError(saying: "specify a directory, for example: pve-sb-uki keys export \(example.shellWord)")
      }
    }

    func run() throws {
      var export = KeysExport()
      export.directory = directory ?? output ?? ""
      export.overwrites = force
      export.isRemoval = removal
      let host = try global.hostOfRoot()
      let result = try export.run(on: host)
      for note in result.notes { try global.note(note) }
      let documents = result.files.map {
        JSONValue.object(["path": .string($0.path), "written": .boolean($0.wasWritten)])
      }
      try global.print(
        removal || global.verbose
          ? result.paths.localLines
          : result.summary(in: export.directory).localLines + "\n" + MachineState.text(on: host),
        json: ["files": .array(documents), "notes": JSONValue(result.notes)])
    }
  }
}

extension KeysExport.Result {
  fileprivate var paths: [Message] { files.map { $0.wasWritten ? "\($0.path)" : "\($0.path) (unchanged)" } }

  /// What the files are for, one line for each kind.
  fileprivate func summary(in directory: String) -> [Message] {
    let title: Message =
      files.contains(where: \.wasWritten) ? "Written to \(directory):" : "Unchanged in \(directory):"
    let kinds: [(suffix: String, purpose: Message)] = [
      (".auth", "signed updates, for the firmware's menu or systemd-boot"),
      (".esl", "signature lists, for efi-updatevar"),
      (".cer", "certificates in DER, for the firmware's menu"),
      (".der", "the same, for mokutil"),
      (".crt", "certificates in PEM, for openssl and sbverify"),
    ]
    return [title]
      + kinds.filter { kind in files.contains { $0.path.hasSuffix(kind.suffix) } }
      .map { "  *\($0.suffix)  \($0.purpose)" }
  }
}

extension KeysList.Result {
  fileprivate func writeWarnings() throws {
    let lines = warnings.map { "pve-sb-uki: warning: \($0)" as Message }
    try StandardStream.error.write(lines.localLines.terminalText)
  }

  fileprivate var title: Message { owner.map { "\(directory), owner \($0)" } ?? "\(directory)" }

  /// The text below the title.
  fileprivate var text: String {
    var lines: [Message] = []
    for key in keys {
      let what = "  \(key.role): \(key.subject), \(key.algorithm)"
      lines.append(
        key.privateKeyPath == nil ? "\(what), private key not on this host" : "\(what), private key on this host")
      lines.append("    valid from \(key.notBefore ?? "?") to \(key.notAfter ?? "?")")
      lines.append("    SHA-256 \(key.fingerprint)")
    }
    return lines.localLines
  }

  fileprivate var json: JSONValue {
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
