// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
package import HostSystem
package import Messages
package import ModuleSignature
internal import SecureBoot

/// What a kernel of this host accepts as signers of modules when it enforces signatures.
///
/// Debian's and Proxmox VE's kernels look in `.builtin_trusted_keys`, `.machine` and, by a patch, in `.platform`. Other
/// kernels do not trust the last one.
package struct ModuleTrust: Sendable {
  /// A keyring of the kernel.
  package enum Keyring: String, CaseIterable, Sendable {
    /// Compiled into the kernel.
    case builtIn = "builtin"
    /// Machine owner keys.
    case machine = "machine"
    /// The firmware's db, and machine owner keys of a kernel without `.machine`.
    case platform = "platform"
    /// Certificates that were specified instead of a kernel's.
    case specified = "specified"
  }

  package struct Anchor: Hashable, Sendable {
    package var keyring: Keyring
    package var certificate: Certificate

    package init(keyring: Keyring, certificate: Certificate) {
      self.keyring = keyring
      self.certificate = certificate
    }
  }

  /// How a module is signed, and whether the kernel accepts that.
  package enum Verdict: Hashable, Sendable {
    case trusted(Anchor)
    /// Signed by a certificate that this host knows, but the kernel does not trust.
    case known(Certificate)
    /// Signed by an unknown certificate, of which only the name is available.
    case unknown(signer: String)
    case none
    /// The signature is unreadable or invalid; the reason as the rest of a sentence.
    case bad(Message)

    package var isTrusted: Bool { if case .trusted = self { true } else { false } }
  }

  /// The release of the kernel.
  package let kernel: String?
  /// In the order of the keyrings, without those that dbx revokes.
  package private(set) var anchors: [Anchor] = []
  /// Certificates that a hint can name.
  private let others: [Certificate]
  /// Whether the kernel rejects unsigned modules, also without Secure Boot.
  package private(set) var requiresSignatures = false
  /// The kernel's digest for signatures of modules; nil if unknown.
  package private(set) var digest: DigestAlgorithm?
  /// What could not be found out, one sentence each.
  package private(set) var notes: [Message] = []

  /// Finds out what kernel `release` trusts; nil stands for any kernel of Debian or Proxmox VE.
  ///
  /// `known` are further certificates to name signers with. Unpacking the kernel for its own certificates takes about a
  /// second; without `readsKernel` only the firmware's are known. Throws `HostError` if the firmware's variables cannot
  /// be read.
  package init(of release: String?, on host: Host, known: [Certificate] = [], readsKernel: Bool = true) throws {
    kernel = release
    others = known
    let database = try TrustDatabase(readingFrom: host)
    let configuration = release.flatMap { Self.configuration(of: $0, host) }
    digest = configuration?.digest
    requiresSignatures = configuration?.isEnabled("MODULE_SIG_FORCE") == true
    if let release, readsKernel { readKernel(release, configuration, on: host) }
    let hasMachine =
      configuration?.isEnabled("INTEGRITY_MACHINE_KEYRING") == true
      && (try? host.variables.read(Self.machineKeysAreTrusted)) ?? nil != nil
    let owners = database.mokList.certificates.map {
      Anchor(keyring: hasMachine ? .machine : .platform, certificate: $0)
    }
    let firmware = database.db.certificates.map { Anchor(keyring: .platform, certificate: $0) }
    let isLoaded = release == host.kernelRelease ? Self.loadedKeys(host) : nil
    for anchor in owners + firmware {
      guard try !database.forbids(anchor.certificate), isLoaded?(anchor.certificate) ?? true else { continue }
      if !anchors.contains(where: { $0.certificate == anchor.certificate }) { anchors.append(anchor) }
    }
    if let configuration, !configuration.isEnabled("INTEGRITY_PLATFORM_KEYRING") {
      anchors.removeAll { $0.keyring == .platform }
      notes.append("kernel \(release ?? "") has no .platform keyring, so it does not trust db for modules")
    }
  }

  /// Trusts these certificates only.
  package init(trusting certificates: [Certificate]) {
    kernel = nil
    others = []
    anchors = certificates.map { Anchor(keyring: .specified, certificate: $0) }
  }

  /// Set by shim unless `mokutil --untrust-mok` was used; the kernel needs it for `.machine`.
  private static let machineKeysAreTrusted = "MokListTrustedRT-605dab50-e046-4300-abb6-3dd810dd8b23"

  /// The kernel's configuration file; nil if it cannot be read.
  package static func configuration(of release: String, _ host: Host) -> KernelConfiguration? {
    for path in ["/boot/config-\(release)", "/usr/lib/modules/\(release)/config"] {
      if let content = try? host.files.readFileIfPresent(path, limit: 1 << 22) {
        return KernelConfiguration(parsing: content)
      }
    }
    return nil
  }

  private mutating func readKernel(_ release: String, _ configuration: KernelConfiguration?, on host: Host) {
    let path = "/boot/vmlinuz-\(release)"
    do {
      guard configuration?.isEnabled("MODULE_SIG") != false else { return }
      host.progress("reading the certificates in \(host.files.display(path))")
      let built = try KernelCertificates(of: host.files.openFile(path)).certificates
      anchors = built.map { Anchor(keyring: .builtIn, certificate: $0) }
      if built.isEmpty { notes.append("\(host.files.display(path)) contains no certificate") }
    } catch {
      notes.append("the certificates in kernel \(release) are unknown: \(error)")
    }
  }

  /// Whether the running kernel has loaded a certificate, by /proc/keys (proc_keys(5)); nil if that cannot be read, or
  /// lacks keys that only root may see.
  ///
  /// Its lines end in `NAME: ID: X509.rsa …`, with the subject key identifier or, without one, the serial number.
  private static func loadedKeys(_ host: Host) -> ((Certificate) -> Bool)? {
    guard host.effectiveUserID == 0, let text = try? host.files.readTextIfPresent("/proc/keys", limit: 1 << 22) else {
      return nil
    }
    let ids = text.split(separator: "\n").compactMap { line -> String? in
      let fields = line.split(separator: " ").filter { $0.hasSuffix(":") && $0.utf8.count > 8 }
      return line.contains(bytes: ": X509.") ? fields.last.map { String($0.dropLast()) } : nil
    }
    guard !ids.isEmpty else { return nil }
    let known = Set(ids)
    return { certificate in
      let identifier = certificate.subjectKeyIdentifier ?? certificate.serialNumber
      return known.contains(identifier.hexadecimal)
    }
  }

  /// Judges a module, compressed or not.
  ///
  /// A damaged file is `bad`.
  package func judge(_ file: any RandomAccessBytes) -> Verdict {
    do {
      let module = ModuleContent(file)
      guard let trailer = try module.trailer() else { return .none }
      let signed = try SignedModule(trailer)
      let candidates = anchors.map(\.certificate) + others
      guard signed.names(oneOf: candidates) else { return .unknown(signer: signed.signerName) }
      let digest = try module.digest(signed.algorithm, count: trailer.contentCount)
      guard let signer = try signed.signer(ofContentWith: digest, among: candidates) else {
        return .bad("its signature is invalid")
      }
      return anchors.first { $0.certificate == signer }.map { .trusted($0) } ?? .known(signer)
    } catch {
      return .bad(Message(error))
    }
  }
}
