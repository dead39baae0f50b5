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
    abstract: "Sign an EFI image.",
    discussion: """
      Without --key the key that the host's settings name signs. Signatures that the image carries stay, with ours behind them, unless \
      --replace is given; an image that carries our valid signature already is left alone.
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var keyOptions: KeyOptions

  @Argument(help: ArgumentHelp("The image.", valueName: "file"), completion: .file())
  var image: String

  @Option(
    name: [.customShort("o"), .long], help: ArgumentHelp("Write here instead of in place.", valueName: "file"),
    completion: .file())
  var output: String?

  @Flag(help: "Keep signatures that are there (the default).")
  var append = false

  @Flag(help: "Drop signatures that are there.")
  var replace = false

  func validate() throws {
    guard !(append && replace) else { throw ValidationError(saying: "--append and --replace exclude each other") }
  }

  func run() throws {
    var sign = SignImage(path: image, key: try keyOptions.source())
    sign.output = output
    sign.replacesExisting = replace
    let result = try sign.run(on: global.host())
    try global.print(Self.text(result), json: Self.json(result))
  }

  private static func text(_ result: SignImage.Result) -> String {
    let (path, signer, count) = (result.path, result.signer, result.signaturesAfter)
    let line: Message =
      if !result.wasWritten {
        "\(path): signed by \(signer) already"
      } else if count == 1 {
        "\(path): signed by \(signer), its only signature"
      } else {
        "\(path): signed by \(signer), \(count) signatures now"
      }
    return line.localLine
  }

  private static func json(_ result: SignImage.Result) -> JSONValue {
    .object([
      "path": .string(result.path), "signer": .string(result.signer), "written": .boolean(result.wasWritten),
      "signatures_before": .integer(result.signaturesBefore), "signatures_after": .integer(result.signaturesAfter),
    ])
  }
}
