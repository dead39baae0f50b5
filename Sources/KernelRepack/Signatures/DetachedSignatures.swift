// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import Cryptography
internal import DebianArchive
package import HostSystem
package import Messages
internal import ModuleSignature
internal import PortableExecutable
package import SigningKeys

/// `pve-sb-uki-repack --detached-signatures`: does the work of a signing service.
///
/// It signs the files that a package `*-signed-template` lists, and writes each signature to `PACKAGE/PATH.sig`, where
/// the source package built from the template expects it.
package struct DetachedSignatures: Sendable {
  /// Path of the template package.
  package var template: String
  /// Paths of the packages that contain the files.
  package var packages: [String]
  /// Created if it does not exist.
  package var outputDirectory: String
  package var key: KeySource

  package init(template: String, packages: [String], outputDirectory: String, key: KeySource = .hostDefault) {
    self.template = template
    self.packages = packages
    self.outputDirectory = outputDirectory
    self.key = key
  }

  /// One signature that was made.
  package struct Signature: Sendable {
    /// Name of the package.
    package let package: String
    /// Path of the file in the package.
    package let file: String
    package let kind: SignatureKind
    /// Path of the signature that was written.
    package let path: String
  }

  package struct Outcome: Sendable {
    /// In the order of the specified packages and of the template's files.
    package var signatures: [Signature]
    /// Notes for the user.
    package var notes: [Message]
  }

  /// Makes all signatures before it writes any.
  ///
  /// Throws `Failure` or `HostError`; only an error while writing can leave some of the signatures written.
  package func run(on host: Host) throws -> Outcome {
    let source = try KeySignatures(key, on: host)
    let wanted = try describing(template) { try Self.template(in: PackageInput(template, from: host.userFiles)) }
    let needsDigests = wanted.packages.contains { $0.files.contains { $0.kind == .linuxModule } }
    let digests =
      needsDigests
      ? try ModuleDigests(from: packages, workers: ParallelWork.processorCount, on: host) { _ in } : ModuleDigests()
    var made: [(signature: Signature, content: [UInt8])] = []
    var missing = wanted.packages.map(\.name)
    for path in packages {
      let input = try describing(path) { try PackageInput(path, from: host.userFiles) }
      guard let package = wanted.packages.first(where: { $0.name == input.identity.package }) else {
        if digests.sources.contains(path) { continue }
        throw Failure(
          "\(path): \(template) lists no files of package \(input.identity.package)",
          hint: "specify the packages that it names: \(wanted.packages.map(\.name).joined(separator: ", "))")
      }
      guard let index = missing.firstIndex(of: package.name) else {
        throw Failure("\(path): package \(package.name) was specified twice", hint: "specify each package only once")
      }
      missing.remove(at: index)
      made += try describing(path) { try sign(package, in: input, by: source, digests: digests) }
    }
    guard missing.isEmpty else {
      throw Failure(
        "\(template) also lists files of packages that were not specified: \(missing.joined(separator: ", "))",
        hint: "specify all packages that it names, in the version that it was built with")
    }
    for (signature, content) in made {
      try host.userFiles.makeDirectory(parent(of: signature.path))
      try host.userFiles.replaceFile(signature.path, content: content)
    }
    return Outcome(
      signatures: made.map(\.signature),
      notes: [source.note].compactMap { $0 } + wanted.packages.compactMap { Self.note(on: $0) })
  }

  private static func template(in input: PackageInput) throws -> SigningTemplate {
    var template: SigningTemplate?
    try input.forEachFile(where: { path in
      path.hasPrefix(SigningTemplate.directory) && path.hasSuffix("/\(SigningTemplate.fileName)")
        && path.parents.count == 4
    }) { file in
      guard template == nil, file.content.count <= SigningTemplate.sizeLimit else {
        throw Failure(
          """
          expected exactly one \(SigningTemplate.directory)…/\(SigningTemplate.fileName) of at most \
          \(SigningTemplate.sizeLimit) bytes
          """)
      }
      template = try SigningTemplate(parsing: file.content)
      return true
    }
    guard let template, !template.packages.isEmpty else {
      throw Failure(
        "it lists no files to sign in \(SigningTemplate.directory)",
        hint: "use a package such as linux-image-amd64-signed-template or proxmox-kernel-…-signed-template")
    }
    return template
  }

  private func sign(
    _ package: SigningTemplate.Package, in input: PackageInput, by source: KeySignatures, digests: ModuleDigests
  ) throws -> [(signature: Signature, content: [UInt8])] {
    let kinds = Dictionary(uniqueKeysWithValues: package.files.map { ($0.path, $0.kind) })
    var signatures: [ArchivePath: [UInt8]] = [:]
    /// The entries of these files, which are other ones for hard links.
    var entries: [ArchivePath: ArchivePath] = [:]
    let links = try input.forEachFile(where: { kinds[$0] != nil }) { file in
      guard let kind = kinds[file.path] else { return true }
      signatures[file.path] = try describing(file.path.description) {
        switch kind {
        case .efi: try Self.signImage(file, by: source)
        case .linuxModule: try Self.signModule(file, digests: digests, by: source)
        }
      }
      entries[file.entry.path] = file.path
      return signatures.count < kinds.count
    }
    return try package.files.map { file in
      // The list can name a file twice, by hard links.
      let path = signatures[file.path] == nil ? entries[links.file(at: file.path)] : file.path
      guard let path, let content = signatures[path], kinds[path] == file.kind else {
        throw Failure(
          "\(file.path) is listed in \(template), but it is missing or not a regular file",
          hint: "use the package version that the template was built with")
      }
      let name = file.path.description
      let output = "\(outputDirectory)/\(package.name)/\(name).sig"
      return (Signature(package: package.name, file: name, kind: file.kind, path: output), content)
    }
  }

  private static func signImage(_ file: DataScan.File, by source: KeySignatures) throws -> [UInt8] {
    let image = try SignedImage(kernel: file)
    let digest = try image.digest(.sha256, of: file.content, as: .signing)
    return try source.imageSignature(of: file.path, digest: digest).data
  }

  /// Signs the module without its trailer, if it has one.
  private static func signModule(
    _ file: DataScan.File, digests: ModuleDigests, by source: KeySignatures
  ) throws -> [UInt8] {
    let algorithm = try digests.digest(for: file.path)
    var content = try PackedModule(
      file.content, size: PackedModule.unpackedSize(of: file.content, limit: DataScan.fileLimit)
    ).content
    let trailer = try ModuleTrailer(tail: content.suffix(ModuleTrailer.sizeLimit), ofModuleWith: content.count)
    if let trailer { content.removeSubrange(trailer.contentCount...) }
    let digest = try Digest.of(content, algorithm)
    return try source.moduleSignature(of: file.path, digest: digest, algorithm: algorithm)
  }

  private static func note(on package: SigningTemplate.Package) -> Message? {
    guard !package.trustedCertificates.isEmpty else { return nil }
    return """
      the signed code in \(package.name) itself trusts these certificates: \
      \(package.trustedCertificates.joined(separator: ", "))
      """
  }

  private func parent(of path: String) -> String {
    String(
      decoding: path.utf8.prefix(upTo: path.utf8.lastIndex(of: UInt8(ascii: "/")) ?? path.utf8.startIndex),
      as: UTF8.self)
  }
}
