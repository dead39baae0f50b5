// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
import Cryptography
import HostCommands
import HostSystem
import KernelModules
internal import Messages

/// The part of `status` about modules that dkms has built for kernels with UKIs.
struct ModuleReport {
  let modules: [BuiltModule]
  /// Directories of modules that cannot be listed.
  private var failures: [Failure] = []

  init(_ status: Status.Report, on host: Host) throws {
    guard status.skipReason == nil else {
      modules = []
      return
    }
    let survey = try ModuleSurvey(on: host, own: status.ownCertificate)
    var failures: [Failure] = []
    modules = survey.modules(of: status.kernels.map(\.release)) {
      failures.append(Failure(of: "the modules built by dkms", $0))
    }
    self.failures = failures
  }

  /// Modules that the kernel rejects while Secure Boot is on and, with `Dkms=yes`, modules that another key has signed.
  func problems(_ status: Status.Report) -> [Failure] {
    let unsuitable = modules.compactMap { module -> Failure? in
      let isEnforced = status.secureBoot == "on"
      let isOther = status.signsModules && module.signer != status.ownCertificate
      guard isOther || isEnforced && !module.isTrusted else { return nil }
      return Failure(
        "module \(module.name) of kernel \(module.kernel) is \(module.signatureText)", hint: Self.hint(module, status))
    }
    return failures + unsuitable
  }

  private static func hint(_ module: BuiltModule, _ status: Status.Report) -> Message {
    let build: Message = """
      rebuild it, with NAME/VERSION as in 'dkms status': dkms build --force -k \(module.kernel) NAME/VERSION && \
      dkms install --force -k \(module.kernel) NAME/VERSION
      """
    if status.signsModules { return build }
    if case .unknown = module.signature { return "enrol the key that signed it, or set Dkms=yes and \(build)" }
    return "set Dkms=yes and \(build)"
  }

  var lines: [Message] { modules.map { "\($0.kernel)  \($0.name)  \($0.signatureText)" } }

  var json: JSONValue {
    .array(
      modules.map { module in
        .object([
          "kernel": .string(module.kernel), "module": .string(module.name), "path": .string(module.path),
          "signature": .string(module.state), "signer": JSONValue(module.signer?.subject),
          "trusted": .boolean(module.isTrusted),
        ])
      })
  }
}

extension BuiltModule {
  /// The certificate that signed it; nil if it is not available.
  var signer: Certificate? {
    switch signature {
    case .trusted(let certificate), .known(let certificate): certificate
    case .unknown, .none, .bad: nil
    }
  }

  var isTrusted: Bool { if case .trusted = signature { true } else { false } }

  /// The state as a word for the JSON output.
  var state: String {
    switch signature {
    case .trusted: "trusted"
    case .known: "not-enrolled"
    case .unknown: "unknown"
    case .none: "unsigned"
    case .bad: "bad"
    }
  }

  /// How it is signed, as the rest of a sentence.
  var signatureText: Message {
    switch signature {
    case .trusted(let certificate): "signed by \(certificate.subject)"
    case .known(let certificate): "signed by \(certificate.subject), which is not enrolled on this machine"
    case .unknown(let signer): "signed by an unknown certificate of \(signer)"
    case .none: "not signed"
    case .bad(let reason): "not verifiable: \(reason)"
    }
  }
}
