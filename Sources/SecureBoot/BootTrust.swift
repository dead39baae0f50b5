// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
package import Messages

/// Whether this machine, as currently configured, starts images signed by a certificate's key.
package enum BootTrust: Hashable, Sendable {
  case accepted(reason: Message)
  case refused(reason: Message, hint: Message)

  package var isAccepted: Bool { if case .accepted = self { true } else { false } }

  /// Judges an image that would be signed with the certificate.
  ///
  /// Firmware without the variables has no Secure Boot. Throws `CryptoError` if libcrypto fails.
  package static func evaluate(
    certificate: Certificate, by evaluation: TrustEvaluation, via route: TrustEvaluation.Route
  ) throws -> BootTrust {
    let database = evaluation.database
    guard database.secureBootEnabled == true else {
      let isAbsent = database.secureBootEnabled == nil
      return .accepted(reason: isAbsent ? "this firmware has no Secure Boot" : "Secure Boot is off")
    }
    guard database.setupMode != true else {
      return .accepted(reason: "the firmware is in Setup Mode and does not enforce signatures")
    }
    return try evaluateAsIfOn(certificate: certificate, by: evaluation, via: route)
  }

  /// The same as if Secure Boot were on, with the lists that the firmware and shim have now.
  package static func evaluateAsIfOn(
    certificate: Certificate, by evaluation: TrustEvaluation, via route: TrustEvaluation.Route
  ) throws -> BootTrust {
    let database = evaluation.database
    let result = try evaluation.judge(ImageEvidence(signedBy: certificate), via: route)
    let name: Message = "the certificate \(certificate.displayName)"
    let lists = route == .firmware ? [database.db] : [database.db, database.mokList]
    guard !result.isAccepted else {
      for list in lists {
        guard let anchor = try list.anchor(of: certificate) else { continue }
        let place: Message = list.name == "db" ? "db" : "shim's MOK list"
        return .accepted(
          reason: anchor == certificate
            ? "\(name) is in \(place)" : "\(name) is issued by \(anchor.displayName) in \(place)")
      }
      return .accepted(reason: result.reason)
    }
    if result.isAboutShim {
      return .refused(
        reason: result.reason,
        hint: result.cause == .revocationLevel
          ? "update the package shim-signed, or enrol pve-sb-uki's certificate in db and set Chain=direct"
          : "enrol Microsoft's UEFI CA in db, or enrol pve-sb-uki's certificate there and set Chain=direct")
    }
    guard result.cause == .untrusted else { return .refused(reason: result.reason, hint: "create and enrol new keys") }
    if route != .firmware, certificate.isForKernelModules {
      return .refused(
        reason: "\(name) is only for kernel modules; shim rejects images that are signed with it",
        hint: "create another signing key: pve-sb-uki keys create --mok")
    }
    if route != .firmware {
      return .refused(reason: "\(name) is neither in db nor in shim's MOK list", hint: enrolmentHint)
    }
    guard try database.mokList.anchor(of: certificate) == nil else {
      return .refused(
        reason: "\(name) is not in db, only in shim's MOK list",
        hint: "run it through shim: pve-sb-uki config set Chain shim")
    }
    return .refused(reason: "\(name) is not in db", hint: enrolmentHint)
  }

  /// `status` knows the next step, with the paths of this host.
  private static let enrolmentHint: Message = "enrol the certificate, step by step: pve-sb-uki status"

  /// Whether the certificate would have to be enrolled for the image to start; false if it starts, or if something else
  /// prevents it, such as a revocation.
  package static func needsEnrolment(
    of certificate: Certificate, by evaluation: TrustEvaluation, via route: TrustEvaluation.Route
  ) throws -> Bool {
    let result = try evaluation.judge(ImageEvidence(signedBy: certificate), via: route)
    let isUnusable = route != .firmware && certificate.isForKernelModules
    return result.cause == .untrusted && !result.isAboutShim && !isUnusable
  }

  /// Whether only shim's MOK list, but not db, allows the certificate, regardless of whether Secure Boot is on.
  package static func isKnownToShimOnly(certificate: Certificate, database: TrustDatabase) throws -> Bool {
    try database.db.anchor(of: certificate) == nil && database.mokList.anchor(of: certificate) != nil
  }
}

extension TrustList {
  /// The first of its certificates that is `certificate` or that `certificate` descends from.
  func anchor(of certificate: Certificate) throws -> Certificate? {
    try certificates.first { try certificate.descends(from: $0) }
  }
}

extension TrustDatabase {
  /// Whether dbx or MokListXRT revokes the certificate or one of its issuers.
  ///
  /// Throws `CryptoError` if libcrypto fails.
  package func forbids(_ certificate: Certificate) throws -> Bool {
    for list in [dbx, mokListX] {
      if try list.anchor(of: certificate) != nil { return true }
      for link in [certificate] + certificate.issuers
      where try list.revokedCertificates.contains(where: { try $0.matches(link) }) {
        return true
      }
    }
    return false
  }

  /// Certificates accepted by the firmware or by shim.
  package var certificates: [Certificate] { db.certificates + mokList.certificates }
}
