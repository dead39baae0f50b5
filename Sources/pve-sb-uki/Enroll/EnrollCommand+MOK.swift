// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BinaryFormat
import CommandLineInterface
import CommandSupport
internal import Cryptography
import HostCommands
import HostSystem
internal import Messages
internal import SecureBoot

struct MOKOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "File with the hash of MokManager's password, from 'mokutil --generate-hash'; otherwise mokutil asks for one",
      valueName: "file"), completion: .file())
  var hashFile: String?

  @Option(
    help: ArgumentHelp(
      "Certificate to request in addition, such as that of dkms, /var/lib/dkms/mok.pub; may be repeated",
      valueName: "file"),
    completion: .file())
  var addMok: [String] = []

  @Option(help: ArgumentHelp("How long MokManager waits for a key at the next boot", valueName: "seconds"))
  var timeout = 60

  func validate() throws {
    guard 1...0x7fff ~= timeout else { throw ValidationError(saying: "--timeout accepts 1 to 32767 seconds") }
  }
}

extension EnrollCommand {
  func requestMOK(on host: Host) throws {
    var enrol = EnrolMOK()
    enrol.hashFile = mok.hashFile
    enrol.others = mok.addMok
    enrol.seconds = mok.timeout
    enrol.isDryRun = dryRun
    if mok.hashFile == nil, !dryRun, host.terminal.isThere() {
      try global.note(
        "mokutil asks for a new password, which MokManager asks for once; use letters and digits, since its keyboard has the American layout"
      )
    }
    let result = try enrol.run(on: host)
    for note in result.notes { try global.note(note) }
    try global.print(page: result.text(on: global.page(on: host)), json: result.json)
  }
}

extension EnrolMOK.Result {
  fileprivate func text(on page: Page) -> String {
    let names = certificates.map(\.displayName).joined(separator: ", ")
    let title: Message =
      switch outcome {
      case .trusted: "this machine's shim already trusts \(names)"
      case .pending: "the request for \(names) is pending; MokManager handles it at the next boot"
      case .requested: "requested: MokManager will offer \(names) at the next boot"
      case .planned: "would request \(names)"
      }
    return page.text(of: [
      Page.Section("MOK", [title]),
      Page.Section("MokManager", screens),
      Page.Section("Next", [nextCommand ?? "nothing to do"], isWrapped: false),
    ])
  }

  fileprivate var json: JSONValue {
    .object([
      "outcome": .string(outcome.rawValue),
      "certificates": .array(
        certificates.map { certificate in
          .object([
            "subject": .string(certificate.subject),
            "fingerprint_sha256": JSONValue((try? certificate.fingerprint())?.hexadecimal),
            "only_for_modules": .boolean(certificate.isForKernelModules),
          ])
        }),
      "screens": JSONValue(screens), "notes": JSONValue(notes), "next_command": JSONValue(nextCommand),
    ])
  }
}
