// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
internal import Findings
internal import HostSystem
package import KernelModules
package import Messages
internal import SecureBoot

/// The modules that dkms has built for some kernels, and which of them the kernel rejects.
struct ModuleFindings {
  private(set) var modules: [BuiltModule] = []
  private(set) var findings: [Finding] = []

  init(of releases: [String], own: Certificate?, signsModules: Bool, on host: Host) {
    do {
      let database = try TrustDatabase(readingFrom: host)
      let isEnforced = database.isEnforced
      modules = try ModuleSurvey(on: host, own: own).modules(of: releases) { report($0) }
      for module in modules where signsModules && module.signer != own || isEnforced && !module.isTrusted {
        var finding = Self.finding(module, signsModules: signsModules)
        // The other known certificate is that of dkms.
        if !signsModules, database.isBootedByShim, case .known(let certificate) = module.signature, certificate != own {
          finding.actions.append(.advise("or enrol dkms's own key: \(Self.enrolCommand)"))
        }
        findings.append(finding)
      }
    } catch {
      report(error)
    }
  }

  /// Requests the certificate that dkms signs with by default.
  private static let enrolCommand = "pve-sb-uki enroll --mok --add-mok /var/lib/dkms/mok.pub"

  private mutating func report(_ error: any Error) {
    findings.append(Finding(.workFailed, Failure(of: "the modules built by dkms", error)))
  }

  private static func finding(_ module: BuiltModule, signsModules: Bool) -> Finding {
    let names = "-k \(module.kernel.shellWord) \(module.package?.shellWord ?? "NAME/VERSION")"
    let build = "dkms build --force \(names) && dkms install --force \(names)"
    let command = signsModules ? build : "pve-sb-uki config set Dkms yes && pve-sb-uki apply && \(build)"
    var actions: [Finding.Action] =
      module.package == nil
      ? [.advise("rebuild it, with NAME/VERSION as in 'dkms status': \(command)")]
      : [.run(Message(verbatim: command))]
    if case .unknown = module.signature, !signsModules { actions.append(.advise("or enrol the key that signed it")) }
    return Finding(
      .moduleUntrusted, "module \(module.name) of kernel \(module.kernel) is \(module.signatureText)",
      arguments: [
        "module": .string(module.name), "kernel": .string(module.kernel), "path": .string(module.path),
        "signature": .string(module.state),
      ], actions: actions)
  }
}

extension BuiltModule {
  /// The certificate that signed it; nil if it is not available.
  package var signer: Certificate? {
    switch signature {
    case .trusted(let anchor): anchor.certificate
    case .known(let certificate): certificate
    case .unknown, .none, .bad: nil
    }
  }

  package var isTrusted: Bool { signature.isTrusted }
  package var state: String { signature.state }
  package var signatureText: Message { signature.text }
}

extension ModuleTrust.Verdict {
  /// The state as a word for the JSON output.
  package var state: String {
    switch self {
    case .trusted: "trusted"
    case .known: "not-enrolled"
    case .unknown: "unknown"
    case .none: "unsigned"
    case .bad: "bad"
    }
  }

  /// How the module is signed, as the rest of a sentence.
  package var text: Message {
    switch self {
    case .trusted(let anchor): "signed by \(anchor.certificate.subject)"
    case .known(let certificate): "signed by \(certificate.subject), which is not enrolled on this machine"
    case .unknown(let signer): "signed by an unknown certificate of \(signer)"
    case .none: "not signed"
    case .bad(let reason): "not verifiable: \(reason)"
    }
  }
}
