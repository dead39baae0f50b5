// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BinaryFormat
import CommandLineInterface
import CommandSupport
import HostCommands
import HostSystem
internal import KernelModules
internal import Messages
import SecureBoot

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check whether firmware, shim or kernel accept EFI images and kernel modules",
    discussion: """
      Judges the images as the firmware would with Secure Boot on, by this machine's lists: db, dbx and dbt, or those of \
      another machine with --efivars. With --via shim, as shim would: its MOK lists and SBAT level too. The default is the \
      program in this machine's boot chain. With --cert, only signatures by these certificates are trusted.

      Judges kernel modules as the kernel that they are built for would with Secure Boot on: by the certificates compiled \
      into it, the machine owner keys, and db. With --kernel, as that kernel would; without files, all modules that are \
      loaded now, as that kernel has them.

      The exit code is 0 if all are accepted, 1 if one is not or cannot be checked.
      """)

  /// A route that can be asked for.
  enum Via: String, CaseIterable, ExpressibleByArgument {
    case firmware = "firmware"
    case shim = "shim"
  }

  @OptionGroup var global: GlobalOptions

  @Argument(help: ArgumentHelp("EFI images and kernel modules", valueName: "file"), completion: .file())
  var files: [String] = []

  @Option(help: ArgumentHelp("The kernel that loads the modules", valueName: "release"), completion: .kernels)
  var kernel: String?

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
    guard !files.isEmpty || kernel != nil else {
      throw ValidationError(saying: "specify files, or a kernel with --kernel")
    }
    guard cert.isEmpty || efivars == nil && via == nil && shim == nil else {
      throw ValidationError(saying: "use either --cert, or --efivars, --via and --shim")
    }
    guard shim == nil || via != .firmware else {
      throw ValidationError(saying: "--shim requires --via shim")
    }
  }

  func run() throws {
    let host = try global.host()
    var failures = 0
    func failed(_ error: any Error) {
      failures += 1
      ErrorReport.write(error, program: "pve-sb-uki")
    }
    var (images, modules): ([String], [String]) = ([], [])
    for file in files {
      do {
        if try ModuleFile.isModule(host.userFiles.openFile(file)) { modules.append(file) } else { images.append(file) }
      } catch {
        failed(error)
      }
    }
    guard kernel == nil || images.isEmpty else { throw ValidationError(saying: "--kernel is for kernel modules only") }
    let judgesOnlyModules = images.isEmpty && (!modules.isEmpty || files.isEmpty)
    guard !judgesOnlyModules || via == nil && shim == nil else {
      throw ValidationError(saying: "--via and --shim are for EFI images only")
    }
    var members: [String: JSONValue] = ["notes": [], "images": [], "enforced": .null]
    var notes: [Message] = []
    var text = ""
    var isAccepted = true
    if !images.isEmpty {
      var verify = VerifyImage()
      verify.certificates = cert
      verify.variables = efivars
      verify.route = via.map { $0 == .shim ? .shim : .firmware }
      verify.shim = shim
      let judge = try verify.judge(on: host)
      var reports: [VerifyImage.Report] = []
      for image in images {
        do { reports.append(try verify.run(image, by: judge, on: host)) } catch { failed(error) }
      }
      text += reports.map(Self.text).joined()
      notes += judge.notes
      if judge.isEnforced == false {
        text += Self.note("Secure Boot is not enforced at present, so every image starts")
      }
      members["enforced"] = judge.isEnforced.map { .boolean($0) } ?? .null
      members["images"] = .array(reports.map(Self.json))
      isAccepted = reports.allSatisfy(\.isAccepted)
    }
    if !modules.isEmpty || files.isEmpty {
      let host = try efivars.map { try host.usingVariables(in: $0) } ?? host
      var verify = VerifyModules()
      verify.kernel = kernel
      verify.certificates = cert
      let result =
        if let kernel, files.isEmpty {
          try verify.loaded(in: kernel, on: host)
        } else {
          try verify.run(modules, on: host, failed: failed)
        }
      text += result.text(isSurvey: files.isEmpty)
      notes += result.notes
      members["enforced"] = result.isEnforced.map { .boolean($0) } ?? .null
      members["modules"] = .array(result.reports.map(\.json))
      isAccepted = isAccepted && result.reports.allSatisfy(\.isAccepted)
    }
    members["notes"] = JSONValue(notes)
    try global.print(text + notes.map(Self.note).joined(), json: .object(members))
    if failures > 0 || !isAccepted { throw ExitCode(1) }
  }

  private static func note(_ note: Message) -> String { ("note: \(note)" as Message).localLine }

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
