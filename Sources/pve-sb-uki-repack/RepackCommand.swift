// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BinaryFormat
import CommandLineInterface
import CommandSupport

/// The repacker for kernel packages.
@main
struct RepackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pve-sb-uki-repack",
    abstract: "Sign the kernels in Debian packages.",
    discussion: "This version knows --help and --version only: repacking is not there yet.",
    version: ProductVersion.text)

  static func main() { CommandLineProgram.run(Self.self, name: "pve-sb-uki-repack") }

  func run() throws { throw NotThereYet() }
}

/// The whole answer of a command whose work comes with a later version.
private struct NotThereYet: Error, MessageConvertible {
  var message: Message { "repacking is not there yet in version \(ProductVersion.text)" }
}
