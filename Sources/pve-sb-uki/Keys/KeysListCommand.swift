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
      commandName: "list", abstract: "List the keys and problems with them",
      discussion: """
        With --firmware: the keys in the lists of the firmware and of shim, with their owners. This needs no keys on the \
        host, and shows which of them are this host's.
        """)

    @OptionGroup var global: GlobalOptions

    @Flag(help: "List the keys that the firmware and shim know: PK, KEK, db, dbx, dbt and MOK")
    var firmware = false

    @Option(
      help: ArgumentHelp(
        "With --firmware: EFI variables to read, a copy of /sys/firmware/efi/efivars", valueName: "directory"),
      completion: .directory)
    var efivars: String?

    func validate() throws {
      guard firmware || efivars == nil else { throw ValidationError(saying: "--efivars needs --firmware") }
    }

    func run() throws {
      if firmware { return try listFirmware() }
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

extension KeysCommand.List {
  private func listFirmware() throws {
    var list = FirmwareKeyList()
    list.variables = efivars
    // All users can read the variables.
    let host = try global.host()
    let result = try list.run(on: host)
    let state = efivars == nil ? MachineState.text(on: host) : ""
    try global.print(result.text + (state.isEmpty ? "" : "\n" + state), json: result.json)
  }
}

extension FirmwareKeyList.Result {
  fileprivate var text: String { (modes + lists.flatMap(\.lines)).localLines }

  private var modes: [Message] {
    guard let secureBoot else { return ["This firmware has no Secure Boot."] }
    let state: Message = secureBoot ? "Secure Boot is on" : "Secure Boot is off"
    return [setupMode == true ? "\(state), in Setup Mode" : "\(state)"]
  }

  fileprivate var json: JSONValue {
    .object([
      "secure_boot": JSONValue(secureBoot), "setup_mode": JSONValue(setupMode), "lists": .array(lists.map(\.json)),
    ])
  }
}

extension FirmwareKeyList.List {
  /// Nothing for shim's lists on a machine without them.
  fileprivate var lines: [Message] {
    guard isPresent else { return name.hasPrefix("Mok") ? [] : ["\(name): empty"] }
    let counts = digests.map { "\($0.count) × \($0.type)" }
    var lines: [Message] = [
      digests.isEmpty
        ? "\(name): certificates: \(certificates.count)"
        : "\(name): certificates: \(certificates.count); digests: \(counts.joined(separator: ", "))"
    ]
    if name == "MokNew" { lines[0] = "\(lines[0]); MokManager adds these to MokList at the next boot, if confirmed" }
    if name == "MokDel" {
      lines[0] = "\(lines[0]); MokManager removes these from MokList at the next boot, if confirmed"
    }
    return lines + certificates.flatMap(\.lines) + damage.map { "  damaged: \($0)" }
  }

  fileprivate var json: JSONValue {
    .object([
      "name": .string(name), "present": .boolean(isPresent), "certificates": .array(certificates.map(\.json)),
      "digests": .object(Dictionary(digests.map { ($0.type, .integer($0.count)) }) { $1 }),
      "damage": JSONValue(damage),
    ])
  }
}

extension FirmwareKeyList.Certificate {
  fileprivate var lines: [Message] {
    let agent: Message = ownerName.map { "\(owner) (\($0))" } ?? "\(owner)"
    var lines: [Message] = ["  \(subject)"]
    if isOwn { lines.append("    yours: this host has it in its keys") }
    if isPublic { lines.append("    public test key: anyone can sign with it") }
    lines.append("    owner \(agent)")
    lines.append("    valid to \(notAfter ?? "?")")
    return lines + ["    SHA-256 \(fingerprint)"]
  }

  fileprivate var json: JSONValue {
    .object([
      "subject": .string(subject), "fingerprint_sha256": .string(fingerprint), "owner": .string(owner),
      "owner_name": JSONValue(ownerName), "not_after": JSONValue(notAfter), "yours": .boolean(isOwn),
      "public_test_key": .boolean(isPublic),
    ])
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
