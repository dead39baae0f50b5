// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Compression
package import Cryptography
package import HostSystem
package import Messages
internal import ModuleSignature
internal import SecureBoot

/// A module built by dkms for a kernel, and whether a kernel that enforces signatures loads it.
package struct BuiltModule: Hashable, Sendable {
  package enum Signature: Hashable, Sendable {
    /// Signed by a certificate that the kernel trusts.
    case trusted(Certificate)
    /// Signed by pve-sb-uki's or dkms's certificate, which is not enrolled.
    case known(Certificate)
    /// Signed by an unknown certificate, of which only the name is available.
    case unknown(signer: String)
    case none
    /// The signature is unreadable or invalid; the reason as the rest of a sentence.
    case bad(Message)
  }

  /// The release of the kernel.
  package let kernel: String
  /// The file name without `.ko` and any further suffix.
  package let name: String
  /// The absolute path on the host.
  package let path: String
  /// The package of dkms that built it, such as `hello/1.0`; nil if unknown.
  package let package: String?
  package let signature: Signature
}

/// Examines the modules that dkms has built; read-only.
package struct ModuleSurvey: Sendable {
  private let host: Host
  /// The certificates, besides their own, that Debian's and Proxmox's kernels trust for modules: db and machine owner
  /// keys (the .platform and .machine keyrings), except those revoked by dbx.
  private let trusted: [Certificate]
  private let others: [Certificate]

  /// `own` is pve-sb-uki's certificate, or nil if it cannot be read.
  ///
  /// Throws `HostError` if the firmware's variables cannot be read.
  package init(on host: Host, own: Certificate?) throws {
    let database = try TrustDatabase(readingFrom: host)
    self.host = host
    others = [own, Self.dkmsCertificate(host)].compactMap { $0 }
    trusted = try database.certificates.filter { try !database.forbids($0) }
  }

  /// The certificate that dkms signs with by default; nil if it cannot be read.
  private static func dkmsCertificate(_ host: Host) -> Certificate? {
    let content = try? host.files.readFileIfPresent("/var/lib/dkms/mok.pub", limit: 1 << 16)
    return content.flatMap { try? Certificate(parsing: $0) }
  }

  /// The directory where dkms of Debian 12 and 13 installs modules for kernel `release`, regardless of their makefiles.
  package static func directory(of release: String) -> String { "/lib/modules/\(release)/updates/dkms" }

  /// The modules of these kernels, sorted by path.
  ///
  /// An unreadable module is `bad`. `unreadable` gets the error for each kernel whose directory cannot be listed.
  package func modules(of releases: [String], unreadable: (any Error) -> Void) -> [BuiltModule] {
    releases.flatMap { release -> [BuiltModule] in
      let directory = Self.directory(of: release)
      do {
        return try (host.files.list(directory) ?? []).compactMap { fileName in
          guard let name = Self.moduleName(fileName) else { return nil }
          let path = "\(directory)/\(fileName)"
          return BuiltModule(
            kernel: release, name: name, path: path, package: package(of: fileName, release),
            signature: signature(of: path))
        }
      } catch {
        unreadable(error)
        return []
      }
    }
  }

  /// The package whose build for the kernel contains the module: dkms keeps it in
  /// `/var/lib/dkms/NAME/VERSION/KERNEL/ARCHITECTURE/module`.
  ///
  /// Nil if there is not exactly one.
  private func package(of fileName: String, _ release: String) -> String? {
    let tree = "/var/lib/dkms"
    var found: [String] = []
    for name in (try? host.files.list(tree)) ?? [] {
      for version in (try? host.files.list("\(tree)/\(name)")) ?? [] {
        let build = "\(tree)/\(name)/\(version)/\(release)"
        for architecture in (try? host.files.list(build)) ?? []
        where (try? host.files.exists("\(build)/\(architecture)/module/\(fileName)")) == true {
          found.append("\(name)/\(version)")
        }
      }
    }
    return found.count == 1 ? found[0] : nil
  }

  /// The module's name; nil if the file is not a module.
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
        return .bad("its signature is invalid")
      }
      return trusted.contains(signer) ? .trusted(signer) : .known(signer)
    } catch {
      return .bad(Message(error))
    }
  }
}
