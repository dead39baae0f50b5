// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BinaryFormat
import CommandLineInterface
import CommandSupport
import HostCommands
internal import Messages
import SecureBoot

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check whether the firmware or shim starts EFI images",
    discussion: """
      Judges the images as the firmware would with Secure Boot on, by this machine's lists: db, dbx and dbt, or those of \
      another machine with --efivars. With --via shim, as shim would: its MOK lists and SBAT level too. The default is the \
      program in this machine's boot chain. With --cert, only signatures by these certificates are trusted. The exit code \
      is 0 if all images start, 1 if one does not or cannot be checked.
      """)

  /// A route that can be asked for.
  enum Via: String, CaseIterable, ExpressibleByArgument {
    case firmware = "firmware"
    case shim = "shim"
  }

  @OptionGroup var global: GlobalOptions

  @Argument(help: ArgumentHelp("EFI images", valueName: "file"), completion: .file())
  var images: [String]

  @Option(
    help: ArgumentHelp("Trusted certificates, PEM or DER; may be repeated", valueName: "file"), completion: .file())
  var cert: [String] = []

  @Option(
    help: ArgumentHelp("EFI variables to judge with, a copy of /sys/firmware/efi/efivars", valueName: "directory"),
    completion: .directory)
  var efivars: String?

  @Option(help: ArgumentHelp("The program that starts the images: firmware or shim", valueName: "program"))
  var via: Via?

  @Option(
    help: ArgumentHelp(
      "The shim that starts the images, with the files next to it; implies --via shim", valueName: "file"),
    completion: .file())
  var shim: String?

  func validate() throws {
    guard cert.isEmpty || efivars == nil && via == nil && shim == nil else {
      throw ValidationError(saying: "use either --cert, or --efivars, --via and --shim")
    }
    guard shim == nil || via != .firmware else {
      throw ValidationError(saying: "--shim requires --via shim")
    }
  }

  func run() throws {
    let host = try global.host()
    var verify = VerifyImage()
    verify.certificates = cert
    verify.variables = efivars
    verify.route = via.map { $0 == .shim ? .shim : .firmware }
    verify.shim = shim
    let judge = try verify.judge(on: host)
    var reports: [VerifyImage.Report] = []
    for image in images {
      do {
        reports.append(try verify.run(image, by: judge, on: host))
      } catch {
        ErrorReport.write(error, program: "pve-sb-uki")
      }
    }
    let isOff: [Message] =
      judge.isEnforced == false ? ["Secure Boot is not enforced at present, so every image starts"] : []
    let notes = (judge.notes + isOff).map { ("note: \($0)" as Message).localLine }.joined()
    try global.print(
      reports.map(Self.text).joined() + notes,
      json: [
        "enforced": judge.isEnforced.map { .boolean($0) } ?? .null, "images": .array(reports.map(Self.json)),
        "notes": .array(judge.notes.map { JSONValue($0) }),
      ])
    if reports.count < images.count || !reports.allSatisfy(\.isAccepted) { throw ExitCode(1) }
  }

  private static func text(_ report: VerifyImage.Report) -> String {
    let line: Message =
      switch report.verdict {
      case .starts: "\(report.path): OK, \(report.reason)"
      case .rejected: "\(report.path): REJECTED, \(report.reason)"
      case .depends: "\(report.path): DEPENDS ON THE FIRMWARE, \(report.reason)"
      }
    return line.localLine
  }

  private static func json(_ report: VerifyImage.Report) -> JSONValue {
    .object([
      "path": .string(report.path), "accepted": .boolean(report.isAccepted),
      "verdict": .string(report.verdict.rawValue),
      "via": .string(report.route.rawValue), "reason": JSONValue(report.reason),
      "signatures": .array(report.signatures.map(\.json)),
    ])
  }
}
