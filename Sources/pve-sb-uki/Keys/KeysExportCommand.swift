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
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(
      help: ArgumentHelp("Output directory, created if missing", valueName: "directory"), completion: .directory)
    var directory: String?

    @Option(
      name: [.customShort("o"), .long], help: ArgumentHelp("Output directory, as an option", valueName: "directory"),
      completion: .directory)
    var output: String?

    @Option(
      name: .customLong("for"),
      help: ArgumentHelp(
        "Write only the files for the firmware's menu, for MokManager or for the management controller: menu, mok, redfish",
        valueName: "purpose"))
    var purpose = KeysExport.Purpose.all

    @Flag(help: "Overwrite files with other content, using newer updates")
    var force = false

    @Flag(help: "Write only noPK.auth, which removes PK and so turns Secure Boot off")
    var removal = false

    func validate() throws {
      guard directory == nil || output == nil else { throw ValidationError(saying: "specify only one directory") }
      guard !removal || purpose == .all else {
        throw ValidationError(saying: "--removal and --for cannot be used together")
      }
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
      export.purpose = purpose
      let host = try global.hostOfRoot()
      let result = try export.run(on: passphrase.signing(host))
      for note in result.notes { try global.note(note) }
      let documents = result.files.map {
        JSONValue.object(["path": .string($0.path), "written": .boolean($0.wasWritten)])
      }
      try global.print(
        removal || global.verbose
          ? result.paths.localLines
          : result.summary(in: export.directory).localLines + "\n" + next(in: export.directory, on: host),
        json: ["files": .array(documents), "notes": JSONValue(result.notes)])
    }

    /// The next step with these files; in general that of the machine.
    private func next(in directory: String, on host: Host) -> String {
      func page(_ command: Message) -> String { Page().text(of: [Page.Section("Next", [command], isWrapped: false)]) }
      return switch purpose {
      case .mok: page("pve-sb-uki enroll --mok")
      case .redfish: page("less \(PathName.join(directory, KeysExport.redfishInstructions).shellWord)")
      case .menu, .all: MachineState.text(on: host)
      }
    }
  }
}

extension KeysExport.Purpose: ExpressibleByArgument {}

extension KeysExport.Result {
  fileprivate var paths: [Message] { files.map { $0.wasWritten ? "\($0.path)" : "\($0.path) (unchanged)" } }

  /// What the files are for, one line for each kind.
  fileprivate func summary(in directory: String) -> [Message] {
    let title: Message =
      files.contains(where: \.wasWritten) ? "Written to \(directory):" : "Unchanged in \(directory):"
    let kinds: [(suffix: String, purpose: Message)] = [
      (".auth", "signed updates, for the firmware's menu or systemd-boot"),
      (".esl", "signature lists, for the firmware's menu and efi-updatevar"),
      (
        ".cer",
        hasOwner
          ? "certificates in DER, for the firmware's menu"
          : "the certificate in DER, to be added to db in the firmware's menu"
      ),
      (".der", "the certificate in DER, for mokutil"),
      (".crt", "the certificate in PEM, for openssl and sbverify"),
      (".json", "certificates for the management controller; redfish-README.txt says how to send them"),
    ]
    return [title]
      + kinds.filter { kind in files.contains { $0.path.hasSuffix(kind.suffix) } }
      .map { "  *\($0.suffix)  \($0.purpose)" }
  }
}
