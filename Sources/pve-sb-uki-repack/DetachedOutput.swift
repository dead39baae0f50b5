// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandLineInterface
import CommandSupport
import HostSystem
import KernelRepack
import Messages
import SigningKeys

/// Prints which detached signatures were made.
enum DetachedOutput {
  static func run(template: String, packages: [String], key: KeySource, options: OutputOptions, on host: Host) throws {
    let outcome = try DetachedSignatures(
      template: template, packages: packages, outputDirectory: options.output ?? ".", key: key
    ).run(on: host)
    if options.json { return try StandardStream.output.write(document(outcome).withSchema.serialize()) }
    guard !options.quiet else { return }
    for note in outcome.notes {
      let line: Message = "pve-sb-uki-repack: note: \(note)"
      try StandardStream.error.write(line.localLine.terminalText)
    }
    let lines = outcome.signatures.map { "\($0.path): signature of \($0.file) in \($0.package)" as Message }
    try StandardStream.output.write(lines.localLines.terminalText)
  }

  private static func document(_ outcome: DetachedSignatures.Outcome) -> JSONValue {
    let signatures = outcome.signatures.map { signature in
      JSONValue.object([
        "package": .string(signature.package), "file": .string(signature.file),
        "sig_type": .string(signature.kind.rawValue), "path": .string(signature.path),
      ])
    }
    return .object(["signatures": .array(signatures), "notes": JSONValue(outcome.notes)])
  }
}
