// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import Cryptography
internal import DebianArchive
internal import HostSystem
internal import Messages
internal import ModuleSignature
internal import PortableExecutable
internal import SigningKeys

/// Where signatures come from: a key, or a directory with signatures that were made elsewhere.
protocol SignatureSource: Sendable {
  /// Subject of the signer's certificate, for display.
  var signer: String { get }
  /// A note for the user about the signer; nil if there is none.
  var note: Message? { get }
  /// SHA-256 of the signer's certificate; nil if unknown.
  func certificateFingerprint() throws -> [UInt8]?
  /// Whether this source has a signature for the file at `path`; otherwise a module remains unchanged.
  @Sendable func covers(_ path: ArchivePath) -> Bool
  /// The kind of a file for which this source has a signature; nil if its path tells it.
  func kind(of path: ArchivePath) -> KernelFiles.Kind?
  /// The files for which this source has signatures; empty for a key.
  var paths: [ArchivePath] { get }
  /// Whether `signers` contains only this source's signer.
  func isOurs(_ signers: [Certificate]) -> Bool
  /// The signature of an image with this SHA-256 Authenticode digest. `path` is its path in the package.
  func imageSignature(of path: ArchivePath, digest: [UInt8]) throws -> CertificateTable.Entry
  /// The signature of a module whose content without trailer has this digest: PKCS#7 in DER.
  func moduleSignature(of path: ArchivePath, digest: [UInt8], algorithm: DigestAlgorithm) throws -> [UInt8]
}

/// Signs with a key.
struct KeySignatures: SignatureSource {
  let identity: SigningIdentity
  /// Seconds since 1970; nil for signatures without a time.
  let signingTime: Int64?
  let note: Message?

  /// Loads the key.
  ///
  /// Throws `Failure`.
  init(_ key: KeySource, on host: Host) throws {
    identity = try key.load(from: host)
    signingTime = try host.buildTime
    note = identity.certificate.validityWarning(on: host)?.note
  }

  var signer: String { identity.certificate.subject }
  func certificateFingerprint() throws -> [UInt8]? { try identity.certificate.fingerprint() }
  @Sendable func covers(_ path: ArchivePath) -> Bool { true }
  func kind(of path: ArchivePath) -> KernelFiles.Kind? { nil }
  var paths: [ArchivePath] { [] }
  func isOurs(_ signers: [Certificate]) -> Bool { signers == [identity.certificate] }

  func imageSignature(of path: ArchivePath, digest: [UInt8]) throws -> CertificateTable.Entry {
    try AuthenticodeSignature.sign(digest: digest, by: identity, signingTime: signingTime)
  }

  func moduleSignature(of path: ArchivePath, digest: [UInt8], algorithm: DigestAlgorithm) throws -> [UInt8] {
    try ModuleSigner(identity: identity, algorithm: algorithm).signature(ofContentWith: digest)
  }
}

/// Signatures that a signing service wrote to a directory, `PACKAGE/PATH.sig` for each file: see `DetachedSignatures`.
struct AttachedSignatures: SignatureSource {
  /// The package's directory, for messages.
  let directory: String
  private let content: [ArchivePath: [UInt8]]
  private let certificate: Certificate?
  var note: Message? { nil }

  /// The maximum size of a signature in bytes; most have a few thousand.
  private static let sizeLimit = 64 << 10
  /// The maximum number of signatures in a directory; a kernel has several thousand modules.
  private static let countLimit = 1 << 16

  /// Reads all signatures for a package.
  ///
  /// Returns nil if there are none. Throws `Failure` if there are too many, `HostError` if one cannot be read.
  init?(_ directory: String, package: String, from files: FileSystem) throws {
    self.directory = "\(directory)/\(package)"
    content = try Self.read(self.directory, from: files)
    guard !content.isEmpty else { return nil }
    certificate =
      try Self.signer(of: content, in: self.directory)
      ?? Self.signer(named: content.values.first, in: directory, from: files)
  }

  /// Reads all signatures in and below `directory`, by the path of the signed file.
  ///
  /// `kind`: the kind of files to read the signatures of; nil for all.
  private static func read(
    _ directory: String, kind: KernelFiles.Kind? = nil, from files: FileSystem
  ) throws -> [ArchivePath: [UInt8]] {
    var found: [ArchivePath: [UInt8]] = [:]
    var directories = [""]
    while let next = directories.popLast() {
      for name in try files.list(next.isEmpty ? directory : "\(directory)/\(next)") ?? [] {
        let path = next.isEmpty ? name : "\(next)/\(name)"
        let status = try files.linkStatus(of: "\(directory)/\(path)")
        if status?.kind == .directory { directories.append(path) }
        let file = ArchivePath(String(path.dropLast(4)))
        guard status?.kind == .regular, path.hasSuffix(".sig"), kind == nil || Self.kind(of: file) == kind else {
          continue
        }
        found[file] = try files.readFile("\(directory)/\(path)", limit: sizeLimit)
        guard found.count <= countLimit, directories.count <= countLimit else {
          throw Failure("more than \(countLimit) signatures in \(directory)")
        }
      }
    }
    return found
  }

  /// The signer's certificate.
  ///
  /// It is in the signatures of images; those of modules only name it.
  private static func signer(of content: [ArchivePath: [UInt8]], in directory: String) throws -> Certificate? {
    for (path, der) in content.sorted(by: { $0.key < $1.key })
    where kind(of: path) == .image {
      return try describing("\(directory)/\(path).sig") { try SignedData(parsing: der).signers.first }
    }
    return nil
  }

  /// The certificate that the signature of a module names, from the images of the other packages in `directory`; nil if
  /// none has it.
  private static func signer(
    named signature: [UInt8]?, in directory: String, from files: FileSystem
  ) throws -> Certificate? {
    guard let signature, let message = try? SignedData(parsing: signature) else { return nil }
    for package in try files.list(directory) ?? [] {
      let images = try read("\(directory)/\(package)", kind: .image, from: files)
      if let signer = try? signer(of: images, in: directory), message.names(signer) { return signer }
    }
    return nil
  }

  var signer: String { certificate?.subject ?? "unknown signer (\(directory))" }
  func certificateFingerprint() throws -> [UInt8]? { try certificate?.fingerprint() }
  func isOurs(_ signers: [Certificate]) -> Bool { certificate.map { signers == [$0] } ?? false }
  @Sendable func covers(_ path: ArchivePath) -> Bool { content[path] != nil }
  var paths: [ArchivePath] { content.keys.sorted() }
  func kind(of path: ArchivePath) -> KernelFiles.Kind? { covers(path) ? Self.kind(of: path) : nil }

  /// `--detached-signatures` can sign images anywhere in a package, but modules only where their kernel is known.
  private static func kind(of path: ArchivePath) -> KernelFiles.Kind {
    KernelFiles.kind(of: path) == .module ? .module : .image
  }

  /// Modules are signed if there is a signature for any of them.
  var modules: ModulePolicy { content.keys.contains { Self.kind(of: $0) == .module } ? .all : .none }

  func imageSignature(of path: ArchivePath, digest: [UInt8]) throws -> CertificateTable.Entry {
    CertificateTable.Entry(data: try signature(of: path))
  }

  /// Throws `Failure` if the signature was not made with `algorithm`, which the kernel requires.
  func moduleSignature(of path: ArchivePath, digest: [UInt8], algorithm: DigestAlgorithm) throws -> [UInt8] {
    let der = try signature(of: path)
    guard let signer = try SignedData(parsing: der).plainSigner, signer.algorithm == algorithm else {
      throw Failure(
        "\(directory)/\(path).sig: the kernel rejects this signature; it requires \(algorithm.rawValue)",
        hint: "sign modules with sign-file -d, or with --detached-signatures")
    }
    return der
  }

  private func signature(of path: ArchivePath) throws -> [UInt8] {
    guard let der = content[path] else {
      throw Failure(
        "signature \(directory)/\(path).sig not found",
        hint: "have all files of the package signed, or sign with --key and --cert")
    }
    return der
  }
}
