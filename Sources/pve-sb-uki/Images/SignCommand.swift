// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import CommandSupport
import Cryptography
import HostCommands
import HostSystem
internal import KernelModules
internal import Messages

struct SignCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sign",
    abstract: "Sign an EFI image or a kernel module",
    discussion: """
      Uses the signing key from the host's settings unless --key is specified. The new signature is added after the \
      existing ones, unless --replace is specified. A file that already has a valid signature by this key is left \
      unchanged.

      A kernel module, also a compressed one, is signed as the kernel's sign-file does. It has one signature, which \
      the new one replaces, unless --append is specified. The digest is that of the kernel that the module is built \
      for, from /boot/config-RELEASE.
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var keyOptions: KeyOptions

  @Argument(help: ArgumentHelp("EFI image or kernel module", valueName: "file"), completion: .file())
  var file: String

  @Option(
    name: [.customShort("o"), .long], help: ArgumentHelp("Output file; the file itself by default", valueName: "file"),
    completion: .file())
  var output: String?

  @Flag(help: "Keep existing signatures (the default)")
  var append = false

  @Flag(help: "Remove existing signatures")
  var replace = false

  @Option(help: ArgumentHelp("Digest for the signature of a module: sha256, sha384 or sha512", valueName: "name"))
  var digest: String?

  func validate() throws {
    _ = try algorithm
    guard !(append && replace) else { throw ValidationError(saying: "--append and --replace cannot be used together") }
  }

  func run() throws {
    let host = try keyOptions.passphrase.signing(global.host())
    let result: SignImage.Result
    if try ModuleFile.isModule(host.userFiles.openFile(file)) {
      var sign = SignModule(path: file, key: try keyOptions.source())
      sign.output = output
      sign.digest = try algorithm
      sign.keepsExisting = append
      result = try sign.run(on: host)
    } else {
      guard digest == nil else { throw ValidationError(saying: "--digest is for kernel modules only") }
      var sign = SignImage(path: file, key: try keyOptions.source())
      sign.output = output
      sign.replacesExisting = replace
      result = try sign.run(on: host)
    }
    for note in result.notes { try global.note(note) }
    try global.print(Self.text(result), json: Self.json(result))
  }

  private var algorithm: DigestAlgorithm? {
    get throws {
      guard let digest else { return nil }
      guard let algorithm = DigestAlgorithm(rawValue: digest), DigestAlgorithm.forModules.contains(algorithm) else {
        throw ValidationError(saying: "--digest expects sha256, sha384 or sha512, not '\(digest)'")
      }
      return algorithm
    }
  }

  private static func text(_ result: SignImage.Result) -> String {
    let (path, signer, count) = (result.path, result.signer, result.signaturesAfter)
    let line: Message =
      if !result.wasWritten {
        "\(path): already signed by \(signer)"
      } else if count == 1 {
        "\(path): signed by \(signer) (only signature)"
      } else {
        "\(path): signed by \(signer) (\(count) signatures)"
      }
    return line.localLine
  }

  private static func json(_ result: SignImage.Result) -> JSONValue {
    .object([
      "path": .string(result.path), "signer": .string(result.signer), "written": .boolean(result.wasWritten),
      "signatures_before": .integer(result.signaturesBefore), "signatures_after": .integer(result.signaturesAfter),
      "notes": JSONValue(result.notes),
    ])
  }
}
