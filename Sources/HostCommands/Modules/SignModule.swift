// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
package import Cryptography
package import HostSystem
internal import KernelModules
internal import Messages
internal import ModuleSignature
internal import Reconcile
package import SigningKeys

/// `pve-sb-uki sign` for a kernel module: signs it as the kernel's `scripts/sign-file` does, in place or to another file.
///
/// A compressed module is compressed again as the kernel's build does.
package struct SignModule: Sendable {
  package var path: String
  /// The signing key; nil for the one in the settings.
  package var key: KeySource?
  /// Path of the output; nil signs in place.
  package var output: String?
  /// The digest; nil for that of the kernel that the module is built for.
  package var digest: DigestAlgorithm?
  /// Whether a signature by another key must stay.
  package var keepsExisting = false

  package init(path: String, key: KeySource? = nil) {
    self.path = path
    self.key = key
  }

  /// Signs and verifies the module, then puts it in place.
  ///
  /// Throws `Failure` or `HostError`.
  package func run(on host: Host) throws -> SignImage.Result {
    let key = try key ?? Configuration(of: host.files).signingKey
    let identity = try key.load(from: host)
    let certificate = identity.certificate
    let target = output ?? path
    try ImageWriter.require(target, toBeNoneOf: key.userPaths, in: host.userFiles)
    return try describing(path) {
      let source = try host.userFiles.openFile(path)
      let file = try source.readToEnd(limit: PackedModule.sizeLimit)
      var module = try PackedModule(file, size: PackedModule.unpackedSize(of: file))
      let trailer = try Self.trailer(of: module)
      var result = SignImage.Result(
        path: target, signer: certificate.subject, signaturesBefore: trailer == nil ? 0 : 1, signaturesAfter: 1,
        wasWritten: true, notes: [certificate.validityWarning(on: host)?.note].compactMap { $0 })
      if let trailer {
        if try Self.isSigned(module, trailer, by: certificate) {
          result.wasWritten = target != path
          if result.wasWritten { try write(file, like: source, to: target, signedBy: certificate, host) }
          return result
        }
        guard !keepsExisting else {
          throw Failure("\(path): a kernel module can have only one signature", hint: "add --replace to replace it")
        }
        let signer = (try? SignedModule(trailer))?.signerName ?? ""
        result.notes.append("the new signature replaces the one by \(signer)")
        module.content.removeSubrange(trailer.contentCount...)
      }
      let algorithm = try digest ?? Self.kernelDigest(of: module, path, host)
      let signature = try ModuleSigner(identity: identity, algorithm: algorithm)
        .signature(ofContentWith: Digest.of(module.content, algorithm))
      module.content += try ModuleTrailer.bytes(for: signature)
      try write(module.pack(), like: source, to: target, signedBy: certificate, host)
      return result
    }
  }

  private static func trailer(of module: PackedModule) throws -> ModuleTrailer? {
    try ModuleTrailer(tail: module.content.suffix(ModuleTrailer.sizeLimit), ofModuleWith: module.content.count)
  }

  private static func isSigned(
    _ module: PackedModule, _ trailer: ModuleTrailer, by certificate: Certificate
  ) throws -> Bool {
    guard let signed = try? SignedModule(trailer) else { return false }
    let digest = try Digest.of(Array(module.content.prefix(trailer.contentCount)), signed.algorithm)
    return try signed.signer(ofContentWith: digest, among: [certificate]) != nil
  }

  /// The digest in the configuration of the kernel that the module is built for.
  private static func kernelDigest(of module: PackedModule, _ path: String, _ host: Host) throws -> DigestAlgorithm {
    let information = try ModuleInformation(parsing: module.content)
    let hint: Message = "specify the kernel's digest, CONFIG_MODULE_SIG_HASH, such as: --digest sha512"
    guard let release = information.kernel else { throw Failure("\(path) does not name its kernel", hint: hint) }
    guard let digest = ModuleTrust.configuration(of: release, host)?.digest else {
      throw Failure(
        "the digest for modules of kernel \(release) is unknown: /boot/config-\(release) does not exist", hint: hint)
    }
    return digest
  }

  private func write(
    _ content: [UInt8], like source: File, to target: String, signedBy certificate: Certificate, _ host: Host
  ) throws {
    _ = try host.userFiles.replaceFile(
      target, mode: source.status.mode & 0o777,
      verify: { written in
        let file = try written.readToEnd(limit: PackedModule.sizeLimit)
        let module = try PackedModule(file, size: PackedModule.unpackedSize(of: file))
        guard let trailer = try Self.trailer(of: module), try Self.isSigned(module, trailer, by: certificate) else {
          throw Failure(
            "\(written.path): verification failed after signing", hint: "check this machine's memory and storage")
        }
      }, writing: { try $0.write(content) })
  }
}
