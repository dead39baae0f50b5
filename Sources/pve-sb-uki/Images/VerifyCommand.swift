// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BinaryFormat
import CommandSupport
import HostCommands
internal import Messages

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check whether EFI images have a trusted signature",
    discussion: """
      Without --cert, checks the images against this machine's db, dbx and MOK lists. The exit code is 0 if all images \
      are accepted, 1 if one is rejected or cannot be checked.
      """)

  @OptionGroup var global: GlobalOptions

  @Argument(help: ArgumentHelp("EFI images", valueName: "file"), completion: .file())
  var images: [String]

  @Option(
    help: ArgumentHelp("Trusted certificates, PEM or DER; may be repeated", valueName: "file"), completion: .file())
  var cert: [String] = []

  func run() throws {
    let host = try global.host()
    var reports: [VerifyImage.Report] = []
    for image in images {
      do {
        reports.append(try VerifyImage(path: image, certificates: cert).run(on: host))
      } catch {
        ErrorReport.write(error, program: "pve-sb-uki")
      }
    }
    try global.print(reports.map(Self.text).joined(), json: ["images": .array(reports.map(Self.json))])
    if reports.count < images.count || !reports.allSatisfy(\.isAccepted) { throw ExitCode(1) }
  }

  private static func text(_ report: VerifyImage.Report) -> String {
    let line: Message =
      report.isAccepted
      ? "\(report.path): OK, \(report.reason)" : "\(report.path): REJECTED, \(report.reason)"
    return line.localLine
  }

  private static func json(_ report: VerifyImage.Report) -> JSONValue {
    .object([
      "path": .string(report.path), "accepted": .boolean(report.isAccepted), "reason": JSONValue(report.reason),
      "signatures": .array(report.signatures.map(\.json)),
    ])
  }
}
