// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import BootEnvironment
package import Cryptography
package import HostSystem
internal import Messages

/// Writes boot loaders and their settings to ESPs.
package struct LoaderExecutor {
  private let loaders: LoaderFiles
  private let signingTime: Int64?

  /// Opens the programs of the planned boot chain.
  ///
  /// Throws `Failure` if one is missing.
  init(_ plan: ApplyPlan, _ host: Host) throws {
    guard let chain = plan.chain?.chain, let certificate = plan.certificate else {
      throw Failure("the boot chain is unknown")
    }
    self.init(
      try LoaderFiles(
        chain, writesRemovablePath: plan.configuration.writesRemovablePath, certificate: certificate, on: host),
      signingTime: try host.buildTime)
  }

  package init(_ loaders: LoaderFiles, signingTime: Int64?) {
    self.loaders = loaders
    self.signingTime = signingTime
  }

  /// Executes a step; writes nothing if the file is already in place.
  ///
  /// The file is read back and verified before it is renamed to its final name. Throws `Failure` or `HostError`.
  package func execute(_ step: LoaderStep, on files: FileSystem, signingBy identity: () throws -> SigningIdentity)
    throws
  {
    if try loaders.isInPlace(step.source, at: step.path, on: files) { return }
    try files.makeDirectory(PathName(step.path).directory)
    switch step.source {
    case .signed(let path):
      let program = try loaders.program(path)
      let signer = ImageSigner(identity: try identity(), existing: .replace, signingTime: signingTime)
      try describing(path) {
        _ = try files.replaceFile(
          step.path,
          verify: { file in
            try Self.require(loaders.isSigned(file, digest: loaders.digest(ofProgram: path)), file)
            try program.requireUnchanged()
          },
          writing: { try signer.sign(program, to: $0) })
      }
    case .copied(let path):
      try copy(try loaders.program(path), to: step.path, on: files) { _ in true }
    case .image(let name):
      try copy(try files.openFile(name.path), to: step.path, on: files) { loaders.isSigned($0, digest: nil) }
    case .settings(let entry):
      // Proxmox's hook may have changed the other settings since they were observed.
      let present = try files.readFileIfPresent(step.path, limit: LoaderConfiguration.sizeLimit)
      let text = LoaderConfiguration.text(present ?? [], withDefault: entry)
      try files.replaceFile(
        step.path, verify: { try Self.require($0.readToEnd(limit: text.count) == text, $0) },
        writing: { try $0.write(text) })
    }
  }

  private func copy(
    _ source: File, to path: String, on files: FileSystem, check: @escaping (File) throws -> Bool
  ) throws {
    try files.replaceFile(
      path, verify: { try Self.require(ByteComparison.areEqual($0, source) && check($0), $0) },
      writing: { try $0.write(contentsOf: source) })
  }

  private static func require(_ isRight: Bool, _ file: File) throws {
    guard isRight else {
      throw Failure(
        "\(file.path): the data read back differs from the data written", hint: "check the disk, which may be failing")
    }
  }
}
