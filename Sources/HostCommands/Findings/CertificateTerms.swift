// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import Findings
package import HostSystem
internal import Messages
internal import SecureBoot
internal import SigningKeys

/// When a certificate of the owner expires.
package struct CertificateTerm: Hashable, Sendable {
  /// `signing` for the certificate that signs UKIs, `PK` or `KEK` for those of the key store.
  package var name: String
  package var subject: String
  /// End of the validity period in seconds since 1970.
  package var end: Int64

  package init(name: String, subject: String, end: Int64) {
    self.name = name
    self.subject = subject
    self.end = end
  }
}

/// Findings about the validity of certificates, and about the clock that decides about it.
///
/// Firmware, shim and Linux ignore the dates of Secure Boot certificates, so signing continues. A clock that cannot be
/// right silences these findings: that is not a reason for new keys.
package enum CertificateTerms {
  /// Seconds before the end from which a certificate is reported: a year.
  private static let warningTime: Int64 = 365 * 86_400

  /// The terms of the owner's certificates; a certificate with two roles is listed once.
  package static func terms(_ context: MachineFindings.Context, on host: Host) -> [CertificateTerm] {
    certificates(context, host).compactMap { name, certificate in
      certificate.notAfter.map { CertificateTerm(name: name, subject: certificate.displayName, end: $0) }
    }
  }

  static func findings(_ context: MachineFindings.Context, on host: Host) -> [Finding] {
    if let finding = clockFinding(on: host) { return [finding] }
    let now = host.now()
    return certificates(context, host).compactMap { name, certificate in
      let arguments: KeyValuePairs<String, JSONValue> = [
        "certificate": .string(certificate.displayName), "role": .string(name),
        "end": JSONValue(certificate.notAfter.map { CalendarDate(seconds: $0).description }),
      ]
      let keep: Finding.Action = .advise(
        "keep the keys: firmware, shim and Linux ignore this date, and UKIs are still signed")
      switch certificate.validity(at: now) {
      case .expired(let date):
        return Finding(
          .certificateExpired, "the certificate \(certificate.displayName) expired on \(date); firmware ignores this",
          arguments: arguments, actions: [name == "signing" ? renewal(certificate, context, host) ?? keep : keep])
      case .valid where (certificate.notAfter ?? .max) - now < warningTime:
        let date = CalendarDate(seconds: certificate.notAfter ?? 0)
        return Finding(
          .certificateExpiring, "the certificate \(certificate.displayName) expires on \(date); firmware ignores this",
          arguments: arguments, actions: [keep])
      case .notYetValid(let date):
        return Finding(
          .clockWrong,
          "this host's clock says \(CalendarDate(seconds: now)), but the certificate \(certificate.displayName) is valid from \(date)",
          arguments: arguments, actions: [.run(Message(verbatim: "timedatectl set-ntp true"))])
      case .unknown:
        return Finding(
          .remark,
          "the validity period of the certificate \(certificate.displayName) cannot be read; firmware ignores this",
          arguments: arguments)
      case .valid: return nil
      }
    }
  }

  /// The command that replaces an expired certificate; nil if pve-sb-uki has not made its key.
  ///
  /// New keys are safe: `apply` keeps UKIs that this machine starts until the new certificate is enrolled (promise I1).
  private static func renewal(
    _ certificate: Certificate, _ context: MachineFindings.Context, _ host: Host
  ) -> Finding.Action? {
    let configuration = context.configuration
    guard configuration.key == Configuration.defaultKey, configuration.certificate == Configuration.defaultCertificate
    else { return nil }
    let directory = KeyStore(of: host).displayPath
    let year = certificate.notAfter.map { String(CalendarDate(seconds: $0).description.prefix(4)) } ?? "old"
    return .run("mv \(directory.shellWord) \("\(directory)-\(year)".shellWord) && pve-sb-uki keys create")
  }

  /// The finding about a clock that must be wrong; nil if it may be right.
  private static func clockFinding(on host: Host) -> Finding? {
    host.clockWarning.map { Finding(.clockWrong, $0, command: Host.clockCommand) }
  }

  private static func certificates(
    _ context: MachineFindings.Context, _ host: Host
  ) -> [(name: String, certificate: Certificate)] {
    let store = KeyStore(of: host)
    var found: [(String, Certificate)] = []
    let candidates =
      [("signing", context.certificate)]
      + [KeyRole.platformKey, .keyExchangeKey].map { ($0.name, try? store.certificate(of: $0)) }
    for case (let name, let certificate?) in candidates where !found.contains(where: { $0.1 == certificate }) {
      found.append((name, certificate))
    }
    return found
  }
}
