// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
package import Findings
package import HostSystem
internal import Messages
package import Reconcile
internal import SigningKeys

/// The findings about the signing key, its certificate, and the clock by which that is valid.
package enum KeyFindings {
  /// The most important first.
  package static func of(_ observation: HostObservation, _ plan: ApplyPlan, on host: Host) -> [Finding] {
    var found: [Finding] = []
    if let absence = plan.keyAbsence { found.append(away(absence, plan, observation)) }
    if let failure = plan.keyFailure { found.append(Finding(.keyUnusable, failure)) }
    return found + dates(of: observation.certificate, observation.configuration, on: host)
  }

  // MARK: The key

  private static func away(_ absence: KeyAbsence, _ plan: ApplyPlan, _ observation: HostObservation) -> Finding {
    let waiting = plan.waitingForKey.map(\.release)
    let what: Message =
      switch waiting.count {
      case 0: "no kernel waits for the signing key yet"
      case 1: "waiting for the signing key: 1 kernel, \(waiting[0])"
      default: "waiting for the signing key: \(waiting.count) kernels, \(waiting.joined(separator: ", "))"
      }
    let boots = waiting.isEmpty || plan.waitingKernelsBoot
    let isLocked = absence.reason == .locked
    // A key on a stick or a token is away most of the time; only work for it needs attention.
    let isIntended = waiting.isEmpty && !isLocked && observation.configuration.key != Configuration.defaultKey
    let action: Finding.Action? = absence.command.map { .run($0) } ?? absence.hint.map { .advise($0) }
    return Finding(
      isIntended ? .remark : .keyAway,
      boots ? "\(what): \(absence); the present UKIs boot" : "\(what): \(absence)",
      arguments: ["kernels": .array(waiting.map { .string($0) }), "locked": .boolean(isLocked)],
      actions: isIntended ? [] : [action].compactMap { $0 })
  }

  // MARK: Dates

  /// How long before its expiry a certificate is reported, in seconds: one year.
  private static let notice: Int64 = 365 * 86_400

  /// Findings about the validity of the certificate that signs.
  ///
  /// Firmware and shim ignore dates, so nothing stops working. A clock that must be wrong says nothing about the
  /// certificate.
  private static func dates(of certificate: Certificate?, _ configuration: Configuration, on host: Host) -> [Finding] {
    if let warning = host.clockWarning {
      return [Finding(.clockWrong, warning.message, actions: [.run(Host.clockCommand)])]
    }
    guard let certificate else { return [] }
    switch certificate.validity(at: host.now()) {
    case .notYetValid(let date):
      // It was made when the clock was right, or now that it is wrong.
      return [
        Finding(
          .clockWrong,
          "this host's clock says \(CalendarDate(seconds: host.now())), before the certificate is valid on \(date)",
          actions: [.run(Host.clockCommand)])
      ]
    case .expired(let date):
      return [expiry("the certificate \(certificate.subject) expired on \(date)", certificate, configuration, host)]
    case .unknown:
      return [
        Finding(.certificateExpiry, "the validity period of the certificate \(certificate.subject) cannot be read")
      ]
    case .valid:
      guard let end = certificate.notAfter, end - host.now() < notice else { return [] }
      let date = CalendarDate(seconds: end)
      return [expiry("the certificate \(certificate.subject) expires on \(date)", certificate, configuration, host)]
    }
  }

  /// New keys are safe: `apply` keeps UKIs that this machine starts until the new certificate is enrolled.
  private static func expiry(
    _ what: Message, _ certificate: Certificate, _ configuration: Configuration, _ host: Host
  ) -> Finding {
    let message: Message = "\(what); firmware ignores the date, and signing continues"
    let arguments: KeyValuePairs<String, JSONValue> = [
      "subject": .string(certificate.subject), "not_after": certificate.notAfter.map { .integer(Int($0)) } ?? .null,
    ]
    guard configuration.key == Configuration.defaultKey, configuration.certificate == Configuration.defaultCertificate
    else {
      return Finding(
        .certificateExpiry, message, arguments: arguments,
        actions: [.advise("create another certificate, set Certificate= to it, and enrol it")])
    }
    let directory = KeyStore(of: host).displayPath
    let year = certificate.notAfter.map { String(CalendarDate(seconds: $0).description.prefix(4)) } ?? "old"
    return Finding(
      .certificateExpiry, message, arguments: arguments,
      actions: [.run("mv \(directory.shellWord) \("\(directory)-\(year)".shellWord) && pve-sb-uki keys create")])
  }
}
