// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
package import HostSystem
internal import Messages
internal import SigningKeys
internal import UnifiedKernelImage

/// The files from which a kernel's UKI is built, in the order of `ImageRecord.inputs`.
package struct ImageInputs: Hashable, Sendable {
  let kernel: Kernel
  let commandLine: String
  let stub: String
  let osRelease: String
  /// Nil without `Splash=`.
  let splash: String?
  let certificate: String
  /// From profile 1 on.
  let profiles: [ImageProfile]
  /// As `ImageRecord.profiles`.
  let profilesDigest: [UInt8]?
  /// As `ImageRecord.made`, for a UKI that is built now.
  private let bootID: String?

  var paths: [String] {
    [kernel.imagePath, kernel.initrdPath, stub, osRelease] + [splash].compactMap { $0 } + [certificate]
  }

  /// Selects the files for a kernel.
  ///
  /// Throws `HostError` if the host cannot be read, `ImageError` for an unusable profile.
  init(
    _ kernel: Kernel, commandLine: CommandLine, variants: ImageVariants, configuration: Configuration, on host: Host
  ) throws {
    self.kernel = kernel
    self.commandLine = commandLine.text
    profiles = try variants.profiles(of: commandLine.text)
    profilesDigest = try Self.digest(of: profiles)
    bootID = variants.bootID
    stub = BootPrograms(try host.machine).stub
    osRelease = try host.files.exists("/etc/os-release") ? "/etc/os-release" : "/usr/lib/os-release"
    splash = configuration.splash
    certificate = configuration.certificate
  }

  /// The opened files.
  ///
  /// All content is read through them, so replacing a file in the meantime has no effect.
  struct Open {
    /// In the order of `paths`.
    let files: [File]
    let certificate: File
    let plan: ImagePlan

    /// SHA-256 of the certificate that signs.
    ///
    /// Throws `Failure` if the file cannot be used.
    func fingerprint() throws -> [UInt8] {
      try describing(certificate.path) {
        try CertificateFile(parsing: try certificate.readToEnd(limit: KeySource.sizeLimit)).signer().fingerprint()
      }
    }
  }

  /// Opens the files.
  ///
  /// Throws `Failure` if the stub is missing, `HostError` if another file cannot be opened, and `ImageError` if no UKI
  /// can be built from them.
  func open(_ host: Host) throws -> Open {
    let linux = try host.files.openFile(kernel.imagePath)
    let initrd = try host.files.openFile(kernel.initrdPath)
    let stubFile = try Self.openStub(stub, host)
    let release = try host.files.openFile(osRelease)
    let splashFile = try splash.map { try Self.openSplash($0, host) }
    let certificateFile = try host.files.openFile(certificate)
    var recipe = ImageRecipe(
      stub: Self.named(stubFile), linux: Self.named(linux), initrds: [Self.named(initrd)])
    recipe.commandLine = Array(commandLine.utf8)
    recipe.osRelease = Self.named(release)
    recipe.uname = kernel.release
    recipe.splash = splashFile.map { Self.named($0) }
    recipe.profiles = profiles
    return Open(
      files: [linux, initrd, stubFile, release] + [splashFile].compactMap { $0 } + [certificateFile],
      certificate: certificateFile, plan: try ImagePlan(recipe))
  }

  /// Opens the picture of `Splash=`.
  ///
  /// Throws `Failure` if it cannot be read or the stub would not show it.
  package static func openSplash(_ path: String, _ host: Host) throws -> File {
    do {
      let file = try host.files.openFile(path)
      _ = try SplashPicture(parsing: named(file))
      return file
    } catch {
      throw Failure(
        "the picture of Splash= cannot be used: \(error)",
        hint: "to build UKIs without it: pve-sb-uki config set Splash ''")
    }
  }

  /// Opens the stub of the host.
  ///
  /// Throws `Failure` with a hint how to install it.
  package static func openStub(_ path: String, _ host: Host) throws -> File {
    do {
      return try host.files.openFile(path)
    } catch {
      throw Failure(
        "cannot read the EFI stub: \(error)", hint: "run 'apt install systemd-boot-efi', or specify a stub with --stub")
    }
  }

  /// The manifest record of a UKI that was built from these inputs.
  ///
  /// Throws as below.
  func record(of image: WrittenImage, _ open: Open) throws -> ImageRecord {
    try record(of: image.identity, size: image.size, open)
  }

  /// The manifest record of the UKI with that size and identity, which was built from these inputs.
  ///
  /// Throws `HostError`, `CryptoError` or `Failure`; also if an input changed in the meantime.
  func record(of identity: ImageIdentity, size: Int, _ open: Open) throws -> ImageRecord {
    let fingerprint = try open.fingerprint()
    // Otherwise the record could combine the status of a new file with the UKI of the old one.
    for input in open.files { try input.requireUnchanged() }
    return ImageRecord(
      kernel: kernel, size: size, digest: identity.value, authenticode: identity.authenticode, made: bootID,
      commandLine: commandLine, profiles: profilesDigest, certificate: fingerprint, inputs: records(of: open))
  }

  func records(of open: Open) -> [InputRecord] {
    zip(paths, open.files).map { InputRecord(path: $0, status: $1.status) }
  }

  /// How the present inputs compare with those of a UKI.
  enum Comparison {
    /// They are the same files, as far as stat(2) shows.
    case same
    /// Some have other times or inodes, so that their content has to be compared.
    case uncertain
    case different
  }

  /// Compares the inputs with those of `record`; opens no file.
  ///
  /// Throws `HostError`.
  func compare(with record: ImageRecord, in files: FileSystem) throws -> Comparison {
    guard record.kernel == kernel, record.commandLine == commandLine, record.profiles == profilesDigest,
      record.inputs.map(\.path) == paths
    else { return .different }
    var result = Comparison.same
    for input in record.inputs {
      guard let status = try files.status(of: input.path) else {
        // With the key on a medium that is not mounted, the certificate is away too.
        if input.path == certificate, record.inputs.last?.path == input.path { continue }
        return .different
      }
      if input.matches(status) { continue }
      guard status.size == input.size else { return .different }
      result = .uncertain
    }
    return result
  }

  private static func digest(of profiles: [ImageProfile]) throws -> [UInt8]? {
    guard !profiles.isEmpty else { return nil }
    let fields = profiles.flatMap { [Array($0.id.utf8), Array(($0.title ?? "").utf8), $0.commandLine] }
    return try Digest.of(Array(fields.joined(separator: [0])))
  }

  private static func named(_ file: File) -> NamedInput { NamedInput(name: file.path, bytes: file) }
}
