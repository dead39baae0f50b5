// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
package import HostSystem
package import KernelModules
package import Messages
internal import SecureBoot
internal import SigningKeys

/// `pve-sb-uki verify` for kernel modules: whether a kernel loads them with Secure Boot on.
package struct VerifyModules: Sendable {
  /// The kernel that shall load the modules; nil for the one that each module is built for.
  package var kernel: String?
  /// Paths of certificates to trust instead of a kernel's keyrings; empty for the keyrings.
  package var certificates: [String] = []

  package init() {}

  package struct Report: Sendable {
    /// The path; for a module that the kernel does not have, its name.
    package var path: String
    /// The kernel's release; nil if unknown.
    package var kernel: String?
    /// Nil if the kernel does not have the module.
    package var verdict: ModuleTrust.Verdict?

    package var isAccepted: Bool { verdict?.isTrusted == true }
  }

  package struct Result: Sendable {
    package var reports: [Report] = []
    /// With `loaded`: how many modules are compiled into the kernel.
    package var builtInCount = 0
    /// Whether the kernel rejects modules at present; nil if this system has no Secure Boot.
    package var isEnforced: Bool?
    /// Sentences.
    package var notes: [Message] = []

    fileprivate mutating func add(_ new: [Message]) {
      for note in new where !notes.contains(note) { notes.append(note) }
    }
  }

  /// Judges files.
  ///
  /// `failed` gets the error for each file that cannot be read. Throws `Failure` if a certificate, or `HostError` if the
  /// firmware's variables cannot be read.
  package func run(_ paths: [String], on host: Host, failed: (any Error) -> Void) throws -> Result {
    var result = Result()
    result.isEnforced = try enforcement(on: host)
    var judges: [String?: ModuleTrust] = [:]
    for path in paths {
      do {
        let file = try host.userFiles.openFile(path)
        let release = kernel ?? (try? ModuleContent.information(of: file))?.kernel
        let trust = try judges[release] ?? judge(for: release, on: host)
        judges[release] = trust
        result.add(trust.notes)
        result.reports.append(Report(path: path, kernel: release, verdict: trust.judge(file)))
      } catch {
        failed(Failure(path, error))
      }
    }
    return result
  }

  /// Judges all modules that the running kernel has loaded, as kernel `release` has them.
  ///
  /// Throws `Failure` if the kernel is not installed or has no lists of its modules, `HostError` if a file cannot be read.
  package func loaded(in release: String, on host: Host) throws -> Result {
    var result = Result()
    result.isEnforced = try enforcement(on: host)
    let loaded = try LoadedModules(of: host)
    let places = try loaded.places(in: release, on: host)
    let trust = try judge(for: release, on: host)
    result.add(trust.notes)
    for (module, place) in zip(loaded.modules, places) {
      switch place {
      case .builtIn: result.builtInCount += 1
      case .file(let path):
        host.progress("checking module \(module.name)")
        let verdict: ModuleTrust.Verdict =
          switch Swift.Result(catching: { try host.files.openFile(path) }) {
          case .success(let file): trust.judge(file)
          case .failure(let error): .bad("\(error)")
          }
        result.reports.append(Report(path: host.files.display(path), kernel: release, verdict: verdict))
      case .missing where module.isOutOfTree:
        result.reports.append(Report(path: module.name, kernel: release, verdict: nil))
      case .missing:
        result.notes.append("kernel \(release) has no module \(module.name); it may have another name there")
      }
    }
    return result
  }

  /// Whether kernels reject modules now: they do with Secure Boot on.
  private func enforcement(on host: Host) throws -> Bool? {
    guard certificates.isEmpty else { return nil }
    let database = try TrustDatabase(readingFrom: host)
    return database.secureBootEnabled == nil ? nil : database.isEnforced
  }

  private func judge(for release: String?, on host: Host) throws -> ModuleTrust {
    guard certificates.isEmpty else {
      return ModuleTrust(trusting: try certificates.flatMap { try VerifyImage.read($0, host) })
    }
    let own = try? Configuration(of: host.files).signingKey.loadCertificate(from: host)
    let known = [own, ModuleSurvey.dkmsCertificate(host)].compactMap { $0 }
    return try ModuleTrust(of: release, on: host, known: known)
  }
}
