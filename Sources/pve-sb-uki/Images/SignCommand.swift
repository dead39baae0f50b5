// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import CommandSupport
import HostCommands
internal import Messages

struct SignCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sign",
    abstract: "Sign an EFI image",
    discussion: """
      Uses the signing key from the host's settings unless --key is specified. The new signature is added after the \
      existing ones, unless --replace is specified. An image that already has a valid signature by this key is left \
      unchanged.
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var keyOptions: KeyOptions

  @Argument(help: ArgumentHelp("EFI image", valueName: "file"), completion: .file())
  var image: String

  @Option(
    name: [.customShort("o"), .long], help: ArgumentHelp("Output file; the image itself by default", valueName: "file"),
    completion: .file())
  var output: String?

  @Flag(help: "Keep existing signatures (the default)")
  var append = false

  @Flag(help: "Remove existing signatures")
  var replace = false

  func validate() throws {
    guard !(append && replace) else { throw ValidationError(saying: "--append and --replace cannot be used together") }
  }

  func run() throws {
    var sign = SignImage(path: image, key: try keyOptions.source())
    sign.output = output
    sign.replacesExisting = replace
    let result = try sign.run(on: keyOptions.passphrase.signing(global.host()))
    for note in result.notes { try global.note(note) }
    try global.print(Self.text(result), json: Self.json(result))
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
