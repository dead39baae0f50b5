// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Compression
package import Cryptography
package import HostSystem
package import Messages
internal import ModuleSignature
internal import SecureBoot

/// A module that dkms built for a kernel, and whether the kernel takes it when it enforces signatures.
package struct BuiltModule: Hashable, Sendable {
  package enum Signature: Hashable, Sendable {
    /// By a certificate that the kernel trusts.
    case trusted(Certificate)
    /// By a certificate that is at hand but that nothing here trusts: ours or dkms's own, before it is enrolled.
    case known(Certificate)
    /// By a signer of whom only the name is known.
    case unknown(signer: String)
    case none
    /// It cannot be read, or does not hold; the rest of a sentence.
    case bad(Message)
  }

  /// Release of the kernel.
  package let kernel: String
  /// File name without `.ko` and what comes after it.
  package let name: String
  /// Absolute path on the host.
  package let path: String
  package let signature: Signature
}

/// Looks at what dkms has built.
///
/// Changes nothing.
package struct ModuleSurvey: Sendable {
  private let host: Host
  /// Those of the keyrings by which Debian's and Proxmox's kernels judge modules, besides their own: db and machine
  /// owner keys (the .platform and .machine keyrings), without what dbx revokes.
  private let trusted: [Certificate]
  private let others: [Certificate]

  /// `own` is the certificate in use, if one can be read.
  ///
  /// Throws `HostError` if the firmware's variables cannot be read.
  package init(on host: Host, own: Certificate?) throws {
    let database = try TrustDatabase(readingFrom: host)
    self.host = host
    others = [own, Self.dkmsCertificate(host)].compactMap { $0 }
    trusted = try database.certificates.filter { try !database.forbids($0) }
  }

  /// What dkms signs with unless it is told otherwise; nil if it cannot be read.
  private static func dkmsCertificate(_ host: Host) -> Certificate? {
    let content = try? host.files.readFileIfPresent("/var/lib/dkms/mok.pub", limit: 1 << 16)
    return content.flatMap { try? Certificate(parsing: $0) }
  }

  /// Where dkms of Debian 12 and 13 puts modules of kernel `release`, whatever their own makefiles say.
  package static func directory(of release: String) -> String { "/lib/modules/\(release)/updates/dkms" }

  /// The modules of these kernels by path.
  ///
  /// One that cannot be read is `bad`. Throws `HostError` if a directory cannot be listed.
  package func modules(of releases: [String]) throws -> [BuiltModule] {
    try releases.flatMap { release -> [BuiltModule] in
      let directory = Self.directory(of: release)
      return try (host.files.list(directory) ?? []).compactMap { fileName in
        guard let name = Self.moduleName(fileName) else { return nil }
        let path = "\(directory)/\(fileName)"
        return BuiltModule(kernel: release, name: name, path: path, signature: signature(of: path))
      }
    }
  }

  /// Nil for a file that is not a module.
  private static func moduleName(_ fileName: String) -> String? {
    let suffix = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].first { fileName.hasSuffix($0) }
    return suffix.map { String(fileName.dropLast($0.count)) }
  }

  private func signature(of path: String) -> BuiltModule.Signature {
    do {
      let module = ModuleContent(try host.files.openFile(path))
      guard let trailer = try module.trailer() else { return .none }
      let signed = try SignedModule(trailer)
      let candidates = trusted + others
      guard signed.names(oneOf: candidates) else { return .unknown(signer: signed.signerName) }
      let digest = try module.digest(signed.algorithm, count: trailer.contentCount)
      guard let signer = try signed.signer(ofContentWith: digest, among: candidates) else {
        return .bad("its signature does not hold")
      }
      return trusted.contains(signer) ? .trusted(signer) : .known(signer)
    } catch {
      return .bad(Message(error))
    }
  }
}
