// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import CommandSupport
import HostSystem
import KernelRepack
import Messages
import RepositoryTrust
import SigningKeys

/// The repacker for kernel packages.
@main
struct RepackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pve-sb-uki-repack",
    abstract: "Sign the kernels in Debian packages",
    discussion: """
      Write a copy of each package with its kernel image signed, and on request its modules. Apart from that, only \
      dependent data changes, such as version and checksums. The default key is the host's own db key.
      """,
    version: ProductVersion.text)

  static func main() { CommandLineProgram.run(Self.self, name: "pve-sb-uki-repack") }

  @OptionGroup var keyOptions: KeyOptions
  @OptionGroup(title: "Signing") var signing: SigningOptions
  @OptionGroup(title: "Package") var package: PackageOptions
  @OptionGroup(title: "Trust in the input") var trust: TrustOptions
  @OptionGroup(title: "Output") var output: OutputOptions
  @OptionGroup(title: "Instead of repacking") var mode: ModeOptions

  @Argument(help: ArgumentHelp("Packages", valueName: "deb"), completion: .file(extensions: ["deb"]))
  var packages: [String]

  func validate() throws {
    try mode.validate(packages: packages, hasOutput: output.output != nil)
    guard signing.attachSignatures == nil || keyOptions.key == nil else {
      throw ValidationError(saying: "--attach-signatures and --key cannot be used together")
    }
    guard signing.attachSignatures == nil || signing.modules == .none else {
      throw ValidationError(
        saying: "--attach-signatures signs all modules that have a signature; omit --sign-modules and --resign-modules")
    }
  }

  func run() throws {
    let host = keyOptions.passphrase.signing(try Host())
    ParallelWork.returnLargeMemory()
    if mode.verify {
      try VerifyOutput.run(packages, certificate: keyOptions.cert, options: output, on: host)
    } else if let template = mode.detachedSignatures {
      try DetachedOutput.run(
        template: template, packages: packages, key: try keyOptions.source() ?? .hostDefault, options: output, on: host)
    } else {
      try repack(on: host)
    }
  }

  private func repack(on host: Host) throws {
    var repack = Repack(
      inputs: packages, outputDirectory: output.output ?? ".", toolVersion: ProductVersion.text)
    let key = try keyOptions.source() ?? .hostDefault
    repack.signing = signing.attachSignatures.map { .attached($0) } ?? .key(key)
    repack.images = signing.signature
    repack.modules = signing.modules
    repack.versionSuffix = package.versionSuffix
    repack.naming = package.naming
    repack.compression = package.compression
    repack.recompresses = package.recompress
    repack.checksContents = trust.checkContents
    repack.trust = try trust.trust(on: host)
    repack.jobs = output.jobs ?? ParallelWork.processorCount
    let progress = RepackProgress(total: packages.count, options: output)
    let outcomes = try repack.run(on: host) { progress.tell($0) }
    if let report = output.report {
      let document = RepackReport.document(outcomes).serialize()
      try host.userFiles.replaceFile(report, content: Array(document.utf8))
    }
    if output.json { try StandardStream.output.write(RepackReport.document(outcomes).serialize()) }
    let failed = outcomes.contains { if case .failed = $0.result { true } else { false } }
    if failed { throw ExitCode(1) }
  }
}
