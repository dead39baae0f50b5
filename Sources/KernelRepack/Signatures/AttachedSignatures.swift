// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import Cryptography
internal import DebianArchive
internal import HostSystem
internal import Messages
internal import ModuleSignature
internal import PortableExecutable

/// Signatures that a signing service has put into a directory, `PACKAGE/PATH.sig` for each file: see `DetachedSignatures`.
struct AttachedSignatures: SignatureSource {
  /// The package's directory, for messages.
  let directory: String
  private let content: [ArchivePath: [UInt8]]
  private let certificate: Certificate?

  /// A signature has some thousand bytes; a kernel some thousand modules.
  private static let sizeLimit = 64 << 10
  private static let countLimit = 1 << 16

  /// Reads all signatures for a package. Throws `Failure`, `HostError`.
  init(_ directory: String, package: String, from files: FileSystem) throws {
    self.directory = "\(directory)/\(package)"
    content = try Self.read(self.directory, below: "", files)
    guard !content.isEmpty else {
      throw Failure(
        "there are no signatures for package \(package) in \(directory)",
        hint: "make them with --detached-signatures, or name the directory that has a directory \(package) in it")
    }
    certificate = try Self.signer(of: content, in: self.directory)
  }

  private static func read(_ directory: String, below path: String, _ files: FileSystem) throws -> [ArchivePath:
    [UInt8]]
  {
    var found: [ArchivePath: [UInt8]] = [:]
    var directories = [path]
    while let next = directories.popLast() {
      for name in try files.list(next.isEmpty ? directory : "\(directory)/\(next)") ?? [] {
        let path = next.isEmpty ? name : "\(next)/\(name)"
        let status = try files.linkStatus(of: "\(directory)/\(path)")
        if status?.kind == .directory { directories.append(path) }
        guard status?.kind == .regular, path.hasSuffix(".sig") else { continue }
        found[ArchivePath(String(path.dropLast(4)))] = try files.readFile("\(directory)/\(path)", limit: sizeLimit)
        guard found.count <= countLimit, directories.count <= countLimit else {
          throw Failure("there are more than \(countLimit) signatures in \(directory)")
        }
      }
    }
    return found
  }

  /// Who made those of images, which hold the certificate. Those of modules only name it.
  private static func signer(of content: [ArchivePath: [UInt8]], in directory: String) throws -> Certificate? {
    for (path, der) in content.sorted(by: { $0.key < $1.key })
    where KernelFiles.interest(in: path, modules: .none) == .image {
      return try describing("\(directory)/\(path).sig") { try SignedData(parsing: der).signers.first }
    }
    return nil
  }

  var signer: String { certificate?.subject ?? "who signed \(directory)" }
  func certificateFingerprint() throws -> [UInt8]? { try certificate?.fingerprint() }
  func isOurs(_ signers: [Certificate]) -> Bool { certificate.map { signers == [$0] } ?? false }
  func covers(_ path: ArchivePath) -> Bool { content[path] != nil }

  /// Whether there are any for modules.
  var modules: ModulePolicy {
    content.keys.contains { KernelFiles.interest(in: $0, modules: .all) == .module } ? .all : .none
  }

  func imageSignature(of path: ArchivePath, digest: [UInt8]) throws -> CertificateTable.Entry {
    CertificateTable.Entry(data: try signature(of: path))
  }

  /// Throws `Failure` if it is over a digest of another algorithm than the kernel's.
  func moduleSignature(of path: ArchivePath, digest: [UInt8], _ algorithm: DigestAlgorithm) throws -> [UInt8] {
    let der = try signature(of: path)
    guard let signer = try SignedData(parsing: der).plainSigner, signer.algorithm == algorithm else {
      throw Failure(
        "\(directory)/\(path).sig is no signature that the kernel takes: it wants one with \(algorithm.rawValue)",
        hint: "sign modules with sign-file -d, or with --detached-signatures")
    }
    return der
  }

  private func signature(of path: ArchivePath) throws -> [UInt8] {
    guard let der = content[path] else {
      throw Failure(
        "there is no signature \(directory)/\(path).sig",
        hint: "have all files of the package signed, or sign with --key and --cert")
    }
    return der
  }
}
